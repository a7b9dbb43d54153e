// Go's context package in the shapes of bench/src/context.rs: a line per shape, its name, a tab, nanoseconds.
package main

import (
	"context"
	"fmt"
	"sort"
	"time"
)

const (
	batches = 100
	steps   = 1000
)

var (
	errSink   error
	valueSink any
)

type key int

func main() {
	print("derive with timeout, drop", inSteps(deriveWithTimeout()))
	print("derive with timeout, wait, drop", inSteps(deriveAndWait()))
	print("derive with cancel, drop", inSteps(deriveWithCancel()))
	print("check", inSteps(check()))
	print("value, 4 up", inSteps(value()))
	print("cancel 1,000 children", cancelChildren())
}

func print(shape string, nanos float64) {
	fmt.Printf("%s\t%f\n", shape, nanos)
}

func inSteps(step func()) float64 {
	samples := make([]float64, batches)
	for batch := range samples {
		start := time.Now()
		for range steps {
			step()
		}
		samples[batch] = float64(time.Since(start).Nanoseconds()) / steps
	}
	return median(samples)
}

func median(samples []float64) float64 {
	sort.Float64s(samples)
	return samples[len(samples)/2]
}

// A context as a request has it: it can be cancelled, and has a deadline.
func request() context.Context {
	timed, _ := context.WithTimeout(context.Background(), time.Hour)
	ctx, _ := context.WithCancel(timed)
	return ctx
}

func deriveWithTimeout() func() {
	parent := request()
	return func() {
		_, cancel := context.WithTimeout(parent, time.Minute)
		cancel()
	}
}

func deriveAndWait() func() {
	parent := request()
	ready := make(chan struct{}, 1)
	return func() {
		ctx, cancel := context.WithTimeout(parent, time.Minute)
		ready <- struct{}{}
		select {
		case <-ctx.Done():
		case <-ready:
		}
		cancel()
	}
}

func deriveWithCancel() func() {
	parent := request()
	return func() {
		_, cancel := context.WithCancel(parent)
		cancel()
	}
}

func check() func() {
	ctx := request()
	return func() { errSink = ctx.Err() }
}

func value() func() {
	ctx := request()
	for i := range 4 {
		ctx = context.WithValue(ctx, key(i), i)
	}
	return func() { valueSink = ctx.Value(key(0)) }
}

func cancelChildren() float64 {
	samples := make([]float64, batches)
	for batch := range samples {
		parent, cancel := context.WithCancel(context.Background())
		children := make([]context.CancelFunc, 1000)
		for i := range children {
			_, children[i] = context.WithCancel(parent)
		}
		start := time.Now()
		cancel()
		samples[batch] = float64(time.Since(start).Nanoseconds())
		for _, child := range children {
			child()
		}
	}
	return median(samples)
}
