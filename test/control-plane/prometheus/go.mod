// promtool, with which the tests check and try the chart's alerts.
module berth.dev/test/control-plane/prometheus

go 1.26.7

require github.com/prometheus/prometheus v0.316.0
