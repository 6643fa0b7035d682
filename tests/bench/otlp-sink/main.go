// SPDX-License-Identifier: Apache-2.0

// otlp-sink ADDRESS: listens there for profiles (OTLP over gRPC) and prints at SIGTERM, as one line of
// JSON, what came: samples in all and by process, frames and how many had a name, and the stacks
// themselves. Samples since the last SIGUSR1 are counted once more, as "after".
//
// It needs modules that are not part of this project, so it has a go.mod of its own: go mod tidy && go build.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
)

const pidKey, kindKey = "process.pid", "profile.frame.type"

// stack is how often a process had these frames: innermost first, each kind, name, file and address.
type stack struct {
	Pid    int64    `json:"pid"`
	Count  int64    `json:"n"`
	Frames [][4]any `json:"frames"`
}

type seen struct {
	Samples int64           `json:"samples"`
	After   int64           `json:"after"`
	Pids    map[int64]int64 `json:"pids"`
	Frames  int64           `json:"frames"`
	Named   int64           `json:"named"`
	Stacks  []*stack        `json:"stacks"`
	known   map[string]*stack
	since   uint64
}

type sink struct {
	pprofileotlp.UnimplementedGRPCServer
	mu sync.Mutex
	s  seen
}

func text(d pprofile.ProfilesDictionary, i int32) string {
	return d.StringTable().At(int(i))
}

// frames of a stack, and how many of them have a name.
func frames(d pprofile.ProfilesDictionary, index int32) ([][4]any, int64) {
	var all [][4]any
	var named int64
	places := d.StackTable().At(int(index)).LocationIndices()
	for i := 0; i < places.Len(); i++ {
		l := d.LocationTable().At(int(places.At(i)))
		kind, name := "", ""
		for k := 0; k < l.AttributeIndices().Len(); k++ {
			a := d.AttributeTable().At(int(l.AttributeIndices().At(k)))
			if text(d, a.KeyStrindex()) == kindKey {
				kind = a.Value().AsString()
			}
		}
		if l.Lines().Len() > 0 {
			f := d.FunctionTable().At(int(l.Lines().At(0).FunctionIndex()))
			name = text(d, f.NameStrindex())
			named++
		}
		file := text(d, d.MappingTable().At(int(l.MappingIndex())).FilenameStrindex())
		all = append(all, [4]any{kind, name, file, l.Address()})
	}
	return all, named
}

func pidOf(d pprofile.ProfilesDictionary, sample pprofile.Sample, otherwise int64) int64 {
	for i := 0; i < sample.AttributeIndices().Len(); i++ {
		a := d.AttributeTable().At(int(sample.AttributeIndices().At(i)))
		if text(d, a.KeyStrindex()) == pidKey {
			return a.Value().Int()
		}
	}
	return otherwise
}

func (s *seen) add(d pprofile.ProfilesDictionary, sample pprofile.Sample, pid int64) {
	times := sample.TimestampsUnixNano()
	n := int64(times.Len())
	for i := 0; i < times.Len(); i++ {
		if times.At(i) >= s.since {
			s.After++
		}
	}
	for i := 0; n == 0 && i < sample.Values().Len(); i++ {
		n = sample.Values().At(i)
	}
	pid = pidOf(d, sample, pid)
	all, named := frames(d, sample.StackIndex())
	s.Samples += n
	s.Pids[pid] += n
	s.Frames += n * int64(len(all))
	s.Named += n * named
	key := fmt.Sprint(pid, all)
	if s.known[key] == nil {
		s.known[key] = &stack{Pid: pid, Frames: all}
		s.Stacks = append(s.Stacks, s.known[key])
	}
	s.known[key].Count += n
}

func (s *sink) Export(_ context.Context, r pprofileotlp.ExportRequest) (pprofileotlp.ExportResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := r.Profiles().Dictionary()
	for i := 0; i < r.Profiles().ResourceProfiles().Len(); i++ {
		resource := r.Profiles().ResourceProfiles().At(i)
		pid := int64(0)
		if v, ok := resource.Resource().Attributes().Get(pidKey); ok {
			pid = v.Int()
		}
		for j := 0; j < resource.ScopeProfiles().Len(); j++ {
			profiles := resource.ScopeProfiles().At(j).Profiles()
			for k := 0; k < profiles.Len(); k++ {
				samples := profiles.At(k).Samples()
				for m := 0; m < samples.Len(); m++ {
					s.s.add(d, samples.At(m), pid)
				}
			}
		}
	}
	return pprofileotlp.NewExportResponse(), nil
}

// obey runs until it is told to end.
func (s *sink) obey(signals <-chan os.Signal) {
	for got := range signals {
		s.mu.Lock()
		if got != syscall.SIGUSR1 {
			break
		}
		s.s.since, s.s.After = uint64(time.Now().UnixNano()), 0
		s.mu.Unlock()
	}
	if err := json.NewEncoder(os.Stdout).Encode(&s.s); err != nil {
		fmt.Fprintln(os.Stderr, "otlp-sink:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: otlp-sink ADDRESS")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "otlp-sink:", err)
		os.Exit(1)
	}
	s := &sink{s: seen{Pids: map[int64]int64{}, known: map[string]*stack{}}}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	go s.obey(signals)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(1 << 28))
	pprofileotlp.RegisterGRPCServer(server, s)
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, "otlp-sink:", err)
		os.Exit(1)
	}
}
