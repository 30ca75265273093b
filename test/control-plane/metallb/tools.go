//go:build tools

// Package tools pins the commands that Berth is measured against.
package tools

import (
	_ "go.universe.tf/metallb/controller"
	_ "go.universe.tf/metallb/speaker"
)
