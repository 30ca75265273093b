//go:build tools

// Package tools pins the command that checks and tries the alerts.
package tools

import _ "github.com/prometheus/prometheus/cmd/promtool"
