// Command refcheck is the oracle of the reference crate's differential test: for every image
// string on standard input (one JSON string a line) it prints what the kubelet makes of it
// (k8s.io/kubernetes/pkg/util/parsers) as one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/distribution/reference"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type answer struct {
	OK     bool   `json:"ok"`
	Repo   string `json:"repo"`
	Domain string `json:"domain"`
	Path   string `json:"path"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
	Normal string `json:"normal"`
	Error  string `json:"error"`
}

func ask(image string) answer {
	repo, tag, digest, err := parsers.ParseImageName(image)
	if err != nil {
		return answer{Error: err.Error()}
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{
		OK: true, Repo: repo, Tag: tag, Digest: digest,
		Domain: reference.Domain(named), Path: reference.Path(named),
		Normal: reference.TagNameOnly(named).String(),
	}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for in.Scan() {
		var image string
		if err := json.Unmarshal(in.Bytes(), &image); err != nil {
			fmt.Fprintf(os.Stderr, "refcheck: %v\n", err)
			os.Exit(1)
		}
		if err := enc.Encode(ask(image)); err != nil {
			os.Exit(1)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintf(os.Stderr, "refcheck: %v\n", err)
		os.Exit(1)
	}
}
