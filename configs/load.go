package configs

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/caarlos0/env/v11"
)

// maxFile is the most bytes that a configuration file may have.
const maxFile = 1 << 20

// Load returns the defaults with a YAML file over them, and environ, in the
// form of [os.Environ], over both. An empty file name means the one that
// BELFRY_CONFIG names, and no file when that names none; a file that is named must
// be there, with at most 1 MiB.
//
// The error is a [Faults] with everything that could not be read. The Config
// then has what could be, so that Check may look for more to report; it must
// not be used otherwise. Load does not call Check.
func Load(file string, environ []string) (Config, error) {
	c := Default()
	c.from = places{}
	var faults Faults
	if file = cmp.Or(file, env.ToMap(environ)[fileVariable]); file != "" {
		faults = loadFile(&c, file)
	}
	faults = append(faults, loadEnviron(&c, environ)...)
	return c, faults.err()
}

func loadFile(c *Config, name string) Faults {
	text, err := readFile(name)
	if err != nil {
		return Faults{{Problem: err.Error()}}
	}
	return loadYAML(c, name, text)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("configuration file %s: has more than %v", name, Size(maxFile))
	}
	return text, nil
}
