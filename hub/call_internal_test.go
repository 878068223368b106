package hub

import "testing"

func FuzzParseSignal(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("null"))
	f.Add([]byte(`{"from":"n","call":1,"name":"x","data":"aGVsbG8="}`))
	f.Add([]byte(`{"from":"n","call":18446744073709551615,"failed":"no"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSignal(b)
		if err == nil && (s.From == "" || s.Call == 0) {
			t.Errorf("%q reads as %+v", b, s)
		}
	})
}
