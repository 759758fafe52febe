// Command headloop asks a registry whether images exist, as a Go program would that does nothing
// else: go-containerregistry's remote.Head in a loop. It is what `measure exists` of
// crates/registry is held against (docs/performance.md).
//
//	headloop loop|puller REPOSITORY COUNT [WORKERS]
//
// `loop` shares one transport between the calls; every call asks `/v2/` first. `puller` shares a
// remote.Puller as well, which asks that once. The images are REPOSITORY:v0 and so on.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "headloop:", err)
		os.Exit(1)
	}
}

// counting counts the requests that go out.
type counting struct {
	inner    http.RoundTripper
	requests atomic.Int64
}

func (c *counting) RoundTrip(request *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.inner.RoundTrip(request)
}

func run(arguments []string) error {
	if len(arguments) < 3 {
		return errors.New("usage: headloop loop|puller REPOSITORY COUNT [WORKERS]")
	}
	count, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	workers := 1
	if len(arguments) > 3 {
		if workers, err = strconv.Atoi(arguments[3]); err != nil {
			return err
		}
	}
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost = workers
	transport := &counting{inner: pool}
	options := []remote.Option{remote.WithTransport(transport)}
	if arguments[0] == "puller" {
		puller, err := remote.NewPuller(options...)
		if err != nil {
			return err
		}
		options = append(options, remote.Reuse(puller))
	}

	start := time.Now()
	var found, next atomic.Int64
	var all sync.WaitGroup
	failures := make(chan error, workers)
	for range workers {
		all.Go(func() {
			for {
				number := next.Add(1) - 1
				if number >= int64(count) {
					return
				}
				image, err := name.ParseReference(fmt.Sprintf("%s:v%d", arguments[1], number))
				if err == nil {
					_, err = remote.Head(image, options...)
				}
				if err != nil {
					failures <- err
					return
				}
				found.Add(1)
			}
		})
	}
	all.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	fmt.Printf("%v %d found with %d requests\n", time.Since(start), found.Load(), transport.requests.Load())
	return nil
}
