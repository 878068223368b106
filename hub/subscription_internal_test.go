package hub

import "testing"

// What waits for the starts of several subscriptions is bounded together, from the
// first delivery on, and counted no more when it was delivered, dropped or lost.
func TestHeld(t *testing.T) {
	held := &Held{Most: 1000}
	delivery := func(size int) (d Delivery) {
		d.add(&Message{}, make([]byte, size))
		return d
	}
	big := &hold{held: held}
	big.add(delivery(1001))
	if n := held.bytes.Load(); !big.full || n != 0 {
		t.Errorf("the first delivery is over the bound: full %t, %d bytes are counted", big.full, n)
	}
	var holds []*hold
	full := 0
	for range 20 {
		h := &hold{held: held}
		h.add(delivery(60))
		h.lose()
		h.add(delivery(40))
		holds = append(holds, h)
		if h.full || h.last().full {
			full++
		}
		if n := held.bytes.Load(); n > 1000 {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if full != 10 {
		t.Errorf("%d of 20 are full, want 10", full)
	}
	for _, h := range holds {
		h.release()
	}
	if n := held.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are counted when nothing waits", n)
	}
	var none *hold
	none.release() // started already
}
