package testserver

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3Server is one test's view of a real S3 server (versitygw) on loopback: an
// endpoint of its own, and buckets that no other test has.
type S3Server struct {
	t       testing.TB
	process *s3Process
	proxy   *proxy
	private bool
}

// sharedS3 is the one server of this test process. It ends when the process
// does, however it does (see keeper).
var sharedS3 struct {
	sync.Once
	process *s3Process
	err     error
}

// S3 returns a view of the server that all tests of this process share. It
// skips the test where there is none, with a reason (and fails it where
// NHI_REQUIRE_SERVERS is 1).
func S3(t testing.TB) *S3Server {
	t.Helper()
	binary := requireTool(t, "versitygw")
	shared := &sharedS3
	shared.Do(func() { shared.process, shared.err = startS3(binary) })
	if shared.err != nil {
		t.Fatalf("S3 did not start: %v", shared.err)
	}
	return newS3Server(t, shared.process, false)
}

// PrivateS3 starts a server for one test alone, which may Stop and Start it. It
// ends with the test.
func PrivateS3(t testing.TB) *S3Server {
	t.Helper()
	process, err := startS3(requireTool(t, "versitygw"))
	if err != nil {
		t.Fatalf("S3 did not start: %v", err)
	}
	t.Cleanup(process.close)
	return newS3Server(t, process, true)
}

func newS3Server(t testing.TB, process *s3Process, private bool) *S3Server {
	t.Helper()
	proxy, err := startProxy(process.address, func(r *httputil.ProxyRequest) {
		r.Out.Host = r.In.Host // it is signed
	})
	if err != nil {
		t.Fatalf("proxy of S3: %v", err)
	}
	t.Cleanup(proxy.close)
	return &S3Server{t: t, process: process, proxy: proxy, private: private}
}

// Endpoint is the URL for what is under test, with buckets as paths below it.
// It leads to the server through a proxy, which Fault can make fail.
func (s *S3Server) Endpoint() string { return s.proxy.address }

// Direct is the URL of the server itself: no Fault stops what goes there, and
// nothing stands in the way of a benchmark.
func (s *S3Server) Direct() string { return s.process.address }

// Folder is where the server keeps everything: a test can see that it is gone.
func (s *S3Server) Folder() string { return s.process.dir }

// Region is the one region that the server is in.
func (s *S3Server) Region() string { return s3Region }

// AccessKey is the id of the key that may do everything.
func (s *S3Server) AccessKey() string { return s.process.accessKey }

// SecretKey is the secret of AccessKey: a test can look for it where no secret
// may be.
func (s *S3Server) SecretKey() string { return s.process.secretKey }

// Bucket makes a bucket that is empty and that no other test has.
func (s *S3Server) Bucket() string {
	s.t.Helper()
	return s.bucket(false)
}

// VersionedBucket is Bucket with Object Lock, and with it versioning.
func (s *S3Server) VersionedBucket() string {
	s.t.Helper()
	return s.bucket(true)
}

func (s *S3Server) bucket(lock bool) string {
	s.t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	ctx, cancel := context.WithTimeout(context.Background(), s3Patience)
	defer cancel()
	_, err := s.Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name), ObjectLockEnabledForBucket: aws.Bool(lock)})
	if err != nil {
		s.t.Fatalf("create bucket: %v", err)
	}
	return name
}

// Client is the test's own way to the server, for setting up and for asking it
// afterwards: no Fault stops it.
func (s *S3Server) Client() *s3.Client {
	return s.process.client(s.process.accessKey, s.process.secretKey)
}

// User makes an account that may do nothing but what a bucket's policy allows,
// and returns its key.
func (s *S3Server) User() (accessKey, secretKey string) {
	s.t.Helper()
	accessKey, secretKey = "user"+rand.Text()[:12], "secret-"+rand.Text()
	if err := s.process.addUser(accessKey, secretKey); err != nil {
		s.t.Fatalf("S3 user: %v", err)
	}
	return accessKey, secretKey
}

// Fault decides what becomes of each request that comes through Endpoint; nil
// lets all of them through. What hangs from an earlier Fault goes on hanging.
func (s *S3Server) Fault(decide func(*http.Request) Fault) {
	if decide == nil {
		s.proxy.decide(nil)
		return
	}
	s.proxy.decide(func(r *http.Request, _ []byte) (Fault, http.Handler) { return decide(r), nil })
}

// Answer has answer give the answers to what comes through Endpoint, where it
// returns a handler: the server does not hear of those requests.
func (s *S3Server) Answer(answer func(*http.Request) http.Handler) {
	s.proxy.decide(func(r *http.Request, _ []byte) (Fault, http.Handler) { return Pass, answer(r) })
}

// Cut makes Endpoint unreachable until Restore: whoever asks is cut off, and
// the server hears of nothing.
func (s *S3Server) Cut() { s.Fault(func(*http.Request) Fault { return Refuse }) }

// Restore lets all requests through again.
func (s *S3Server) Restore() { s.Fault(nil) }

// Stop kills a private server, as a power cut would; its data stays.
func (s *S3Server) Stop() {
	s.t.Helper()
	s.toggle()
	Wait(s.t, s3Patience, "S3 is down", func() bool { return s.process.ping() != nil })
}

// Start starts a private server again, with the data that it had.
func (s *S3Server) Start() {
	s.t.Helper()
	s.toggle()
	Wait(s.t, s3Patience, "S3 is up", func() bool { return s.process.ping() == nil })
}

func (s *S3Server) toggle() {
	s.t.Helper()
	if !s.private {
		s.t.Fatal("only a private S3 server can be stopped: use PrivateS3")
	}
	if err := s.process.toggle(); err != nil {
		s.t.Fatalf("S3: %v", err)
	}
}
