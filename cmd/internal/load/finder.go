package load

import "bytes"

// newline ends a line of a frame that holds several.
var newline = []byte{'\n'}

// finder finds the marker in a line, which is in the same place each time: the
// lines of one channel differ in their markers and, with positions, in a few digits
// behind them. Each connection has its own.
type finder struct {
	prefix string
	offset int // where the last marker was
}

// find returns the stamp of the marker; not ok, the line has none of this run.
func (f *finder) find(line []byte) (s stamp, ok bool) {
	at := f.offset
	if len(line) < at+markerSize || string(line[at:at+prefixSize]) != f.prefix {
		at = bytes.Index(line, []byte(f.prefix))
		if at < 0 || len(line) < at+markerSize {
			return stamp{}, false
		}
		f.offset = at
	}
	return readStamp(line[at : at+markerSize])
}
