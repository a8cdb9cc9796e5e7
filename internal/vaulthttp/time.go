package vaulthttp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Time returns the time of the server that answers, in whole seconds, rounded
// down: Vault tells no more without being written to. It needs no token. A
// server that is sealed or was never initialised has no say.
func (c *Client) Time(ctx context.Context) (time.Time, error) {
	call := Call{
		Method: http.MethodGet, Path: "sys/health", Free: true, Above: true,
		// A standby knows the time, too.
		Params: url.Values{"standbyok": {"true"}, "perfstandbyok": {"true"}},
	}
	status, body, err := c.send(ctx, call)
	if err != nil {
		return time.Time{}, err
	}
	if status != http.StatusOK {
		_, err := answerOf(call, status, body)
		if err == nil {
			err = Garbage(call.Path, "no health")
		}
		return time.Time{}, err
	}
	var health struct {
		Initialized bool  `json:"initialized"`
		Sealed      bool  `json:"sealed"`
		Time        int64 `json:"server_time_utc"`
	}
	if err := json.Unmarshal(body, &health); err != nil || !health.Initialized || health.Sealed || health.Time <= 0 {
		return time.Time{}, Garbage(call.Path, "no time of a Vault that is in use")
	}
	return time.Unix(health.Time, 0).UTC(), nil
}
