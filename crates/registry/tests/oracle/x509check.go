// Command x509check makes certificate chains of every kind that goes wrong, and prints what
// crypto/x509 says of each: one JSON object a line. It is the oracle of the registry crate's
// differential test and needs nothing but the standard library.
//
//	x509check SEED COUNT
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand"
	"net"
	"os"
	"strconv"
	"time"
)

type answer struct {
	Chain [][]byte `json:"chain"`
	Roots [][]byte `json:"roots"`
	Host  string   `json:"host"`
	Now   int64    `json:"now"`
	Error string   `json:"error"`
	Kind  string   `json:"kind"`
}

type maker struct {
	*rand.Rand
	keys   []crypto.Signer
	serial int64
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "x509check:", err)
		os.Exit(1)
	}
	return value
}

var epoch = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func (m *maker) key() crypto.Signer { return m.keys[m.Intn(len(m.keys))] }

func (m *maker) chance(percent int) bool { return m.Intn(100) < percent }

func (m *maker) template(name string, authority bool) *x509.Certificate {
	m.serial++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(m.serial),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Oracle"}},
		NotBefore:    epoch.Add(-30 * 24 * time.Hour),
		NotAfter:     epoch.Add(30 * 24 * time.Hour),
	}
	if m.chance(6) {
		t.NotAfter = epoch.Add(-time.Hour)
	} else if m.chance(6) {
		t.NotBefore = epoch.Add(time.Hour)
	}
	if authority {
		t.BasicConstraintsValid = !m.chance(4)
		t.IsCA = t.BasicConstraintsValid && !m.chance(4)
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		if m.chance(5) {
			t.KeyUsage = x509.KeyUsageDigitalSignature
		}
		if t.IsCA && m.chance(20) {
			t.MaxPathLen = m.Intn(2)
			t.MaxPathLenZero = t.MaxPathLen == 0
		}
		return t
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	switch {
	case m.chance(85):
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case m.chance(50):
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if m.chance(5) {
		t.BasicConstraintsValid, t.IsCA = true, true
	}
	return t
}

func (m *maker) names(t *x509.Certificate, host string) {
	if m.chance(80) {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	pool := []string{"registry.example.com", "*.example.com", "other.example.com", "registry", "*", "a.*.com",
		"REGISTRY.example.COM", "registry.example.com.", "under_score.example.com", "-bad.example.com", "*.registry.example.com"}
	for range m.Intn(3) {
		t.DNSNames = append(t.DNSNames, pool[m.Intn(len(pool))])
	}
	addresses := []string{"10.0.0.1", "127.0.0.1", "2001:db8::1"}
	if m.chance(30) {
		t.IPAddresses = append(t.IPAddresses, net.ParseIP(addresses[m.Intn(len(addresses))]))
	}
	if m.chance(2) {
		for n := range 101 {
			t.DNSNames = append(t.DNSNames, fmt.Sprintf("n%d.example.org", n))
		}
	}
	if m.chance(30) {
		t.Subject.CommonName = pool[m.Intn(len(pool))]
	}
}

func (m *maker) sign(t, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	der := must(x509.CreateCertificate(crand.Reader, t, parent, public, signer))
	return must(x509.ParseCertificate(der))
}

func (m *maker) one() answer {
	hosts := []string{"registry.example.com", "registry.example.com", "registry.example.com", "registry", "10.0.0.1", "2001:db8::1", "x.registry.example.com", "under_score.example.com", "-bad.example.com", "registry.example.com."}
	host := hosts[m.Intn(len(hosts))]

	rootKey := m.key()
	rootTemplate := m.template("Oracle Root", true)
	root := m.sign(rootTemplate, rootTemplate, rootKey.Public(), rootKey)
	trusted := []*x509.Certificate{root}
	if m.chance(10) {
		// A root of the same name and another key.
		other := m.key()
		t := m.template("Oracle Root", true)
		trusted = append([]*x509.Certificate{m.sign(t, t, other.Public(), other)}, trusted...)
		if m.chance(50) {
			trusted = trusted[:1]
		}
	}
	if m.chance(8) {
		trusted = nil
	}
	parent, parentKey := root, rootKey
	var sent []*x509.Certificate
	for depth := range m.Intn(3) {
		key := m.key()
		t := m.template(fmt.Sprintf("Oracle Issuing %d", depth), true)
		parent = m.sign(t, parent, key.Public(), parentKey)
		parentKey = key
		sent = append([]*x509.Certificate{parent}, sent...)
	}
	leafKey := m.key()
	t := m.template("leaf", false)
	m.names(t, host)
	var leaf *x509.Certificate
	if m.chance(8) {
		leaf = m.sign(t, t, leafKey.Public(), leafKey)
		if m.chance(60) {
			trusted = append(trusted, leaf)
		}
	} else {
		leaf = m.sign(t, parent, leafKey.Public(), parentKey)
	}
	if m.chance(10) && len(sent) > 0 {
		drop := m.Intn(len(sent))
		sent = append(append([]*x509.Certificate{}, sent[:drop]...), sent[drop+1:]...)
	}
	if m.chance(15) {
		sent = append(sent, root)
	}
	m.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })

	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	out := answer{Chain: [][]byte{leaf.Raw}, Roots: [][]byte{}, Host: host, Now: epoch.Unix()}
	for _, certificate := range trusted {
		roots.AddCert(certificate)
		out.Roots = append(out.Roots, certificate.Raw)
	}
	for _, certificate := range sent {
		intermediates.AddCert(certificate)
		out.Chain = append(out.Chain, certificate.Raw)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates, CurrentTime: epoch})
	if err != nil {
		out.Error = err.Error()
		out.Kind = fmt.Sprintf("%T", err)
	}
	return out
}

func main() {
	seed := must(strconv.ParseInt(os.Args[1], 10, 64))
	count := must(strconv.Atoi(os.Args[2]))
	m := &maker{Rand: rand.New(rand.NewSource(seed))}
	for range 3 {
		for _, bits := range []int{1024, 2048} {
			m.keys = append(m.keys, must(rsa.GenerateKey(crand.Reader, bits)))
		}
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
			m.keys = append(m.keys, must(ecdsa.GenerateKey(curve, crand.Reader)))
		}
		_, key, err := ed25519.GenerateKey(crand.Reader)
		m.keys = append(m.keys, must(key, err))
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for range count {
		if err := enc.Encode(m.one()); err != nil {
			os.Exit(1)
		}
	}
}
