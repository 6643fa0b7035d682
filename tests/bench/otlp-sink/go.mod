module otlp-sink

go 1.26.0

require (
	go.opentelemetry.io/collector/pdata/pprofile v0.159.0
	google.golang.org/grpc v1.83.1
)
