package load

import "fmt"

// Each message begins with a marker of fixed size, so that a reader finds what
// it needs at once and nothing is allocated: the prefix of this run, and then in
// hexadecimal the publisher, the number of the message among those of this
// publisher in this channel, and when it was due. Neither JSON nor a frame changes
// any of these characters.
const (
	prefixSize = 10
	markerSize = prefixSize + 4 + 8 + 16
)

// MinSize is the least size of a message in bytes: that of its marker.
const MinSize = markerSize

// stamp is what a marker says.
type stamp struct {
	publisher int
	number    uint32 // from 1; 0 warms up and is not counted
	due       int64  // nanoseconds on the clock of the run
}

// newPrefix is what the markers of one run begin with. Messages of another run
// on the same channels are not taken for its own.
func newPrefix(run uint32) string { return fmt.Sprintf("~b%08x", run) }

const hexDigits = "0123456789abcdef"

// hexValue maps a digit to its value, and anything else to more than 15.
var hexValue = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for value, digit := range []byte(hexDigits) {
		table[digit] = byte(value)
	}
	return table
}()

// put writes the stamp behind the prefix of a marker.
func (s stamp) put(marker []byte) {
	putHex(marker[prefixSize:][:4], uint64(s.publisher))
	putHex(marker[prefixSize+4:][:8], uint64(s.number))
	putHex(marker[prefixSize+12:][:16], uint64(s.due))
}

// putHex fills b with the digits of v, as many as there is room for.
func putHex(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = hexDigits[v&15]
		v >>= 4
	}
}

// readStamp reads a marker behind its prefix; b has markerSize bytes.
func readStamp(b []byte) (s stamp, ok bool) {
	publisher, ok1 := readHex(b[prefixSize:][:4])
	number, ok2 := readHex(b[prefixSize+4:][:8])
	due, ok3 := readHex(b[prefixSize+12:][:16])
	return stamp{int(publisher), uint32(number), int64(due)}, ok1 && ok2 && ok3
}

// readHex reads digits; not ok, there is something else among them. It looks at all
// and decides at the end, without a branch for each.
func readHex(b []byte) (v uint64, ok bool) {
	var bad byte
	for _, digit := range b {
		value := hexValue[digit]
		bad |= value
		v = v<<4 | uint64(value&15)
	}
	return v, bad < 16
}
