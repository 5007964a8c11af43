// client posts one review again and again, each over a connection of its own, as the API server's client
// does: TLS 1.3 by Go's own library, without a session cache, so that every handshake is a full one.
// It prints what wrk's post.lua prints, and how many sessions were resumed (none).
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

type result struct {
	latencies                []time.Duration
	errors, refused, resumed int
}

// post is one review: connect, handshake, ask, read the answer, close.
func post(address string, config *tls.Config, request []byte, into *result) {
	began := time.Now()
	raw, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		into.errors++
		return
	}
	defer raw.Close()
	_ = raw.SetDeadline(began.Add(10 * time.Second))
	connection := tls.Client(raw, config)
	if _, err = connection.Write(request); err != nil {
		into.errors++
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		into.errors++
		return
	}
	if _, err = io.Copy(io.Discard, answer.Body); err != nil {
		into.errors++
		return
	}
	if answer.StatusCode != http.StatusOK {
		into.refused++
	}
	if connection.ConnectionState().DidResume {
		into.resumed++
	}
	into.latencies = append(into.latencies, time.Since(began))
}

func main() {
	target := flag.String("url", "", "where to post to")
	body := flag.String("body", "", "file with the review")
	authority := flag.String("ca", "", "PEM file of the CA")
	connections := flag.Int("connections", 16, "at a time")
	length := flag.Duration("for", 4*time.Second, "how long")
	flag.Parse()

	where, err := url.Parse(*target)
	if err != nil {
		log.Fatal(err)
	}
	review, err := os.ReadFile(*body)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Connection: close\r\nContent-Length: %d\r\n\r\n", where.RequestURI(), len(review))
	request = append(bytes.Clone(request), review...)

	results := make([]result, *connections)
	var all sync.WaitGroup
	began := time.Now()
	for i := range results {
		all.Go(func() {
			for time.Since(began) < *length {
				post(where.Host, config, request, &results[i])
			}
		})
	}
	all.Wait()
	seconds := time.Since(began).Seconds()

	var sum result
	for _, one := range results {
		sum.latencies = append(sum.latencies, one.latencies...)
		sum.errors += one.errors
		sum.refused += one.refused
		sum.resumed += one.resumed
	}
	if len(sum.latencies) == 0 {
		log.Fatalf("no answer, %d errors", sum.errors)
	}
	slices.Sort(sum.latencies)
	percentile := func(p int) int64 { return sum.latencies[(len(sum.latencies)-1)*p/100].Microseconds() }
	fmt.Printf("RESULT {\"requests\": %d, \"seconds\": %.6f, \"errors\": %d, \"refused\": %d, \"resumed\": %d, "+
		"\"p50_us\": %d, \"p99_us\": %d}\n",
		len(sum.latencies), seconds, sum.errors, sum.refused, sum.resumed, percentile(50), percentile(99))
}
