package token

// ReadKeys reads a document as a fetch does.
func ReadKeys(document []byte) (map[string]any, error) {
	found, err := readKeys(document, "")
	keys := make(map[string]any, len(found))
	for kid, m := range found {
		keys[kid] = m.key
	}
	return keys, err
}
