// Command keyringcheck is the oracle of the keyring crate's differential test: for every case on
// standard input (one JSON object a line: secrets in the pod's order, and an image's repository)
// it prints the credentials that the kubelet would try
// (k8s.io/kubernetes/pkg/credentialprovider, with an empty keyring of the node), in its order,
// as one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

// Bytes are base64 on both ways in: a secret need not be text.
type secret struct {
	Type string            `json:"type"`
	Data map[string][]byte `json:"data"`
}

type question struct {
	Secrets []secret `json:"secrets"`
	Image   string   `json:"image"`
}

type credential struct {
	Username []byte `json:"username"`
	Password []byte `json:"password"`
	// The place of its secret in the question.
	Source int `json:"source"`
}

type answer struct {
	Error string       `json:"error"`
	Creds []credential `json:"creds"`
}

func ask(q question) (answer, error) {
	var pull []v1.Secret
	for i, s := range q.Secrets {
		pull = append(pull, v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: strconv.Itoa(i)},
			Type:       v1.SecretType(s.Type),
			Data:       s.Data,
		})
	}
	a := answer{Creds: []credential{}}
	keyring, err := secrets.MakeDockerKeyring(pull, &credentialprovider.BasicDockerKeyring{})
	if err != nil {
		a.Error = err.Error()
		return a, nil
	}
	found, _ := keyring.Lookup(q.Image)
	for _, c := range found {
		if c.Source == nil || c.Source.Secret == nil {
			return a, fmt.Errorf("a credential has no source: is KubeletEnsureSecretPulledImages off?")
		}
		source, err := strconv.Atoi(c.Source.Secret.Name)
		if err != nil {
			return a, err
		}
		a.Creds = append(a.Creds, credential{[]byte(c.Username), []byte(c.Password), source})
	}
	return a, nil
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "keyringcheck: %v\n", err)
	os.Exit(1)
}

func main() {
	// The kubelet logs every key that is no URL; nobody reads that here.
	flags := flag.NewFlagSet("keyringcheck", flag.ExitOnError)
	klog.InitFlags(flags)
	if err := flags.Parse([]string{"-logtostderr=false", "-alsologtostderr=false", "-stderrthreshold=FATAL"}); err != nil {
		fail(err)
	}
	klog.SetOutput(discard{})

	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fail(err)
		}
		a, err := ask(q)
		if err != nil {
			fail(err)
		}
		if err := enc.Encode(a); err != nil {
			fail(err)
		}
	}
	if err := in.Err(); err != nil {
		fail(err)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
