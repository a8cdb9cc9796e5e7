package testserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// s3Patience is how long an S3 server may take to start, or to answer.
const s3Patience = time.Minute

// s3Region is the region that the server says it is in.
const s3Region = "eu-test-1"

// s3Process is a running versitygw with a folder of its own.
type s3Process struct {
	*keeper

	binary    string
	address   string
	accessKey string
	secretKey string
}

// startS3 starts a server on a free port. Another process may take the port
// between the look and the start, so it tries a few. Where the file system has
// no extended attributes, the server keeps what it notes in files beside.
func startS3(binary string) (*s3Process, error) {
	var err error
	sidecar := false
	for range 5 {
		p := &s3Process{binary: binary, accessKey: "root" + rand.Text()[:8], secretKey: "secret-" + rand.Text()}
		if p.keeper, err = newKeeper("nhi-s3"); err != nil {
			return nil, err
		}
		if err = p.start(sidecar); err == nil {
			return p, nil
		}
		log := tail(p.logFile())
		sidecar = sidecar || strings.Contains(log, "xattr check failed")
		err = fmt.Errorf("%w\n%s", err, log)
		p.close()
	}
	return nil, err
}

func (p *s3Process) start(sidecar bool) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.address = "http://" + listen
	for _, name := range []string{"data", "versions", "users", "notes"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o700); err != nil {
			return err
		}
	}
	args := []string{
		"--port", listen, "--region", s3Region, "--keep-alive", "--quiet", "--iam-dir", filepath.Join(p.dir, "users"),
		"posix", "--versioning-dir", filepath.Join(p.dir, "versions"),
	}
	if sidecar {
		args = append(args, "--sidecar", filepath.Join(p.dir, "notes"))
	}
	env := []string{"ROOT_ACCESS_KEY=" + p.accessKey, "ROOT_SECRET_KEY=" + p.secretKey}
	if err := p.keeper.start(env, p.binary, append(args, filepath.Join(p.dir, "data"))...); err != nil {
		return err
	}
	return p.await(s3Patience, p.ping)
}

// ping asks for the buckets. A server of somebody else on the same port does
// not know our keys.
func (p *s3Process) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), s3Patience)
	defer cancel()
	_, err := p.client(p.accessKey, p.secretKey).ListBuckets(ctx, &s3.ListBucketsInput{})
	return err
}

// client returns a client that takes nothing from the environment and tries
// everything once.
func (p *s3Process) client(accessKey, secretKey string) *s3.Client {
	return s3.New(s3.Options{
		Region: s3Region, BaseEndpoint: aws.String(p.address), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// addUser makes an account that may do nothing by itself.
func (p *s3Process) addUser(accessKey, secretKey string) error {
	command := exec.Command(p.binary, "admin", "--endpoint-url", p.address, "--region", s3Region,
		"create-user", "--access", accessKey, "--secret", secretKey, "--role", "user")
	command.Env = []string{"PATH=/usr/bin:/bin", "ADMIN_ACCESS_KEY_ID=" + p.accessKey, "ADMIN_SECRET_ACCESS_KEY=" + p.secretKey}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
