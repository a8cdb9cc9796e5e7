package krl_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// testKey returns the same key for the same seed.
func testKey(t testing.TB, seed byte) (ssh.Signer, ssh.PublicKey) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return signer, signer.PublicKey()
}

// TestGolden fixes the bytes of what we write.
func TestGolden(t *testing.T) {
	t.Parallel()
	_, ca := testKey(t, 1)
	list := krl.New()
	for _, serial := range []uint64{7, 1 << 63, 7, 8} {
		if _, err := list.Revoke(ca, serial); err != nil {
			t.Fatal(err)
		}
	}
	list.Next(time.Unix(1_900_000_000, 0))
	got := hex.EncodeToString(list.Marshal()) + "\n"
	path := filepath.Join("testdata", "golden.hex")
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("bytes are\n%swant\n%s", got, want)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	_, ca := testKey(t, 1)
	_, other := testKey(t, 2)
	list := krl.New()
	if added, err := list.Revoke(ca, 42); err != nil || !added {
		t.Fatalf("first: %v, %v", added, err)
	}
	if added, err := list.Revoke(ca, 42); err != nil || added {
		t.Errorf("a serial was added twice: %v, %v", added, err)
	}
	if _, err := list.Revoke(ca, 0); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("serial 0: %v", err)
	}
	if !list.RevokesSerial(ca, 42) || list.RevokesSerial(ca, 43) || list.RevokesSerial(other, 42) {
		t.Error("the wrong serials are revoked")
	}
	again, err := krl.Parse(list.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if !again.RevokesSerial(ca, 42) || again.RevokesSerial(ca, 43) {
		t.Error("the wrong serials are revoked after a round trip")
	}
}

func TestRevokesEveryWay(t *testing.T) {
	t.Parallel()
	ca, caKey := testKey(t, 1)
	_, key := testKey(t, 2)
	certificate := &ssh.Certificate{Key: key, Serial: 5, KeyId: "nhi x", CertType: ssh.UserCert, ValidPrincipals: []string{"x"}}
	if err := certificate.SignCert(bytes.NewReader(bytes.Repeat([]byte{1}, 1024)), ca); err != nil {
		t.Fatal(err)
	}
	caBlob := string(caKey.Marshal())
	serials := func(serials ...uint64) string {
		var data []byte
		for _, serial := range serials {
			data = binary.BigEndian.AppendUint64(data, serial)
		}
		return string(data)
	}
	sections := map[string]struct {
		section string
		revoked bool
	}{
		"serial in list":        {certificates(caBlob, 0x20, serials(1, 5)), true},
		"serial not in list":    {certificates(caBlob, 0x20, serials(1, 6)), false},
		"serial in range":       {certificates(caBlob, 0x21, serials(5, 5)), true},
		"serial below range":    {certificates(caBlob, 0x21, serials(6, 9)), false},
		"serial in bitmap":      {certificates(caBlob, 0x22, serials(3)+str("\x04")), true},
		"serial not in bitmap":  {certificates(caBlob, 0x22, serials(3)+str("\x00\xfb")), false},
		"serial over bitmap":    {certificates(caBlob, 0x22, serials(1)+str("\x04")), false},
		"serial below bitmap":   {certificates(caBlob, 0x22, serials(6)+str("\xff")), false},
		"wide bitmap":           {certificates(caBlob, 0x22, serials(1)+str("\x01\x00\x10")), true},
		"serial of another CA":  {certificates(string(key.Marshal()), 0x20, serials(5)), false},
		"serial of every CA":    {certificates("", 0x20, serials(5)), true},
		"key id":                {certificates(caBlob, 0x23, str("nhi x")), true},
		"another key id":        {certificates(caBlob, 0x23, str("nhi")), false},
		"key":                   {section(2, str(string(key.Marshal()))), true},
		"key of the CA":         {section(2, str(caBlob)), true},
		"unknown extension":     {section(255, str("x")+"\x00"+str("y")), false},
		"extension of the part": {certificates(caBlob, 0x39, str("x")+"\x00"+str("y")), false},
	}
	for name, c := range sections {
		list, err := krl.Parse([]byte(header() + c.section))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := list.Revokes(certificate); got != c.revoked {
			t.Errorf("%s: revoked is %v, want %v", name, got, c.revoked)
		}
		if string(list.Marshal()) != header()+c.section {
			t.Errorf("%s: the bytes changed", name)
		}
		addAndCompare(t, name, header()+c.section, caKey)
	}
}

// addAndCompare adds a serial to a list, and wants everything else to stay.
func addAndCompare(t *testing.T, name, data string, ca ssh.PublicKey) {
	t.Helper()
	list, err := krl.Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Revoke(ca, 1_000_003); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	again, err := krl.Parse(list.Marshal())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	before, err := krl.Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	for serial := range uint64(64) {
		if again.RevokesSerial(ca, serial) != before.RevokesSerial(ca, serial) {
			t.Errorf("%s: serial %d changed", name, serial)
		}
	}
	if !again.RevokesSerial(ca, 1_000_003) {
		t.Errorf("%s: the serial that was added is not in the list", name)
	}
}

// The pieces of PROTOCOL.krl, written apart from the code that is tested.

func str(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

func header() string {
	return "SSHKRL\n\x00\x00\x00\x00\x01" + strings.Repeat("\x00", 7) + "\x09" + strings.Repeat("\x00", 16) + str("") + str("by hand")
}

func section(kind byte, data string) string { return string([]byte{kind}) + str(data) }

func certificates(ca string, kind byte, part string) string {
	return section(1, str(ca)+str("")+string([]byte{kind})+str(part))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	_, ca := testKey(t, 1)
	caBlob := string(ca.Marshal())
	zero := strings.Repeat("\x00", 8)
	refused := map[string]string{
		"nothing":                   "",
		"a text list of keys":       string(ssh.MarshalAuthorizedKey(ca)),
		"another format version":    strings.Replace(header(), "\x00\x00\x00\x01", "\x00\x00\x00\x02", 1),
		"half a header":             header()[:20],
		"NUL in the comment":        header()[:44] + str("x\x00y"),
		"half a section":            header() + section(2, str("x"))[:6],
		"an unknown section":        header() + section(9, ""),
		"an endless string":         header() + "\x02\xff\xff\xff\xff",
		"garbage as CA":             header() + certificates("garbage", 0x20, ""),
		"an unknown part":           header() + certificates(caBlob, 0x24, ""),
		"half a serial":             header() + certificates(caBlob, 0x20, "\x00\x01"),
		"serial 0":                  header() + certificates(caBlob, 0x20, zero),
		"a range from 0":            header() + certificates(caBlob, 0x21, zero+zero),
		"a range backwards":         header() + certificates(caBlob, 0x21, "\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"),
		"two ranges in one":         header() + certificates(caBlob, 0x21, strings.Repeat("\x00\x00\x00\x00\x00\x00\x00\x02", 4)),
		"a bitmap that wraps":       header() + certificates(caBlob, 0x22, strings.Repeat("\xff", 8)+str("\x02")),
		"a bitmap with 0":           header() + certificates(caBlob, 0x22, zero+str("\x01")),
		"a huge bitmap":             header() + certificates(caBlob, 0x22, zero+str("\x01"+strings.Repeat("\x00", 1<<21))),
		"a short SHA-1":             header() + section(3, str("short")),
		"a short SHA-256":           header() + section(5, str("short")),
		"a critical extension":      header() + section(255, str("x")+"\x01"+str("")),
		"a critical cert extension": header() + certificates(caBlob, 0x39, str("x")+"\x01"+str("")),
		"a signature":               header() + section(4, caBlob) + str("signature"),
		"more than the most":        header() + section(2, str(strings.Repeat("x", krl.MaxSize))),
	}
	for name, data := range refused {
		if _, err := krl.Parse([]byte(data)); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := krl.Parse([]byte(refused["a signature"])); !errors.Is(err, krl.ErrSigned) {
		t.Errorf("a signature: %v, want ErrSigned", err)
	}
	if _, err := krl.Parse([]byte(refused["a text list of keys"])); !errors.Is(err, krl.ErrNotKRL) {
		t.Errorf("a text list: %v, want ErrNotKRL", err)
	}
}

func FuzzParse(f *testing.F) {
	_, ca := testKey(f, 1)
	caBlob := string(ca.Marshal())
	f.Add([]byte(header()))
	f.Add([]byte(header() + certificates(caBlob, 0x20, "\x00\x00\x00\x00\x00\x00\x00\x05")))
	f.Add([]byte(header() + certificates(caBlob, 0x21, "\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x09")))
	f.Add([]byte(header() + certificates("", 0x22, "\x00\x00\x00\x00\x00\x00\x00\x05"+str("\x01\x02"))))
	f.Add([]byte(header() + certificates(caBlob, 0x23, str("id")) + section(3, str(strings.Repeat("x", 20))) + section(5, str(strings.Repeat("x", 32)))))
	f.Add([]byte(header() + section(255, str("x")+"\x00"+str("y"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := krl.Parse(data)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Fatalf("error is not ErrInvalid: %v", err)
			}
			return
		}
		if !bytes.Equal(list.Marshal(), data) {
			t.Fatal("the bytes changed")
		}
		before := list.RevokesSerial(ca, 6)
		if _, err := list.Revoke(ca, 5); err != nil {
			t.Fatal(err)
		}
		list.Next(time.Unix(1, 0))
		again, err := krl.Parse(list.Marshal())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !again.RevokesSerial(ca, 5) || again.RevokesSerial(ca, 6) != before {
			t.Fatal("the wrong serials are revoked")
		}
	})
}
