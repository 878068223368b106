package follow

import (
	"testing"

	"belfry/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m) }
