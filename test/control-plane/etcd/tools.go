//go:build tools

// Package tools pins the command that keeps the API server's data.
package tools

import _ "go.etcd.io/etcd/server/v3"
