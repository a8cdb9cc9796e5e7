package nhi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestDecisionFileRefusesWhatItDidNotWrite(t *testing.T) {
	t.Parallel()
	file := sampleFile(t)
	good := file.File()
	for name, data := range map[string]string{
		"empty":            "",
		"CRLF":             strings.ReplaceAll(good, "\n", "\r\n"),
		"CR in signature":  good + "\r",
		"other heading":    strings.Replace(good, "file 1", "file 2", 1),
		"space before":     " " + good,
		"no list":          strings.Replace(good, "-- list --\n", "", 1),
		"no signature":     strings.Replace(good, "-- signature --\n", "", 1),
		"forged text":      strings.Replace(good, "verdict: approve", "verdict: deny", 1),
		"list without it":  strings.Replace(good, string(nhi.DigestOf(file.Text)), string(nhi.DigestOf("x")), 1),
		"free text listed": strings.Replace(good, "-- list --\n", "-- list --\nI owe you 100 coins\n", 1),
		"over-long":        good + strings.Repeat("x", nhi.MaxTextBytes),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := nhi.ParseDecisionFile([]byte(data)); !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("err = %v, want ErrInvalid", err)
			}
		})
	}
}

// A purpose may end in the words that start a part of the file.
func TestDecisionFileIsNotFooledByWordsInTheText(t *testing.T) {
	t.Parallel()
	request := sampleRequest()
	request.Purpose = "x -- list --"
	request.Access["aws"].Settings["description"] = nhi.Text("-- signature --")
	decision := sampleDecision(t)
	decision.Request = text(t)(request.Text())
	written := text(t)(decision.Text())
	signed := nhi.SignedDecision{Text: written, List: text(t)(nhi.DecisionList([]string{written})), Signature: "sig\n"}
	got, err := nhi.ParseDecisionFile([]byte(signed.File()))
	if err != nil || got != signed {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListed(t *testing.T) {
	t.Parallel()
	file := sampleFile(t)
	approval := sampleRequest().Approval
	line, other := nhi.ListLine(file.Text, approval), nhi.ListLine("another", approval)
	pair := line + other
	if other < line {
		pair = other + line
	}
	var long strings.Builder
	for i := range nhi.MaxList + 1 {
		fmt.Fprintf(&long, "sha256:%064x %s\n", i, approval)
	}
	for name, c := range map[string]struct {
		list string
		want bool
	}{
		"alone":               {line, true},
		"with another":        {pair, true},
		"only another":        {other, false},
		"empty":               {"", false},
		"twice":               {line + line, false},
		"not sorted":          {strings.TrimPrefix(pair, pair[:len(pair)/2]) + pair[:len(pair)/2], false},
		"no line break":       {strings.TrimSuffix(line, "\n"), false},
		"line beside it":      {"hello\n" + line, false},
		"empty line":          {"\n" + line, false},
		"another approval":    {nhi.ListLine(file.Text, approval+"x"), false},
		"longer than allowed": {long.String(), false},
	} {
		signed := file
		signed.List = c.list
		if got := signed.Listed(approval); got != c.want {
			t.Errorf("%s: Listed = %v, want %v", name, got, c.want)
		}
	}
}

// What may be signed must also be readable again.
func TestTheLongestRequestFitsWithTheLongestList(t *testing.T) {
	t.Parallel()
	segment := strings.Repeat("a", nhi.MaxName)
	longest := len(nhi.ListLine("x", nhi.ApprovalID(segment+"/"+strings.Repeat("a", nhi.MaxScope)+"/"+segment+":"+segment)))
	const frame = 16 << 10 // headings, the decision's own lines and the signature
	if sum := nhi.MaxList*longest + nhi.MaxRequestBytes + frame; sum > nhi.MaxTextBytes {
		t.Errorf("a decision file can have %d bytes, and %d is the most that is read", sum, nhi.MaxTextBytes)
	}
	request := sampleRequest()
	for i := range 400 {
		request.Access[fmt.Sprintf("t%d", i)] = nhi.Access{Kind: nhi.KindExternal, Settings: nhi.Values{"description": nhi.Text(strings.Repeat("x", nhi.MaxSetting))}}
	}
	if _, err := request.Text(); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("err = %v, want ErrInvalid", err)
	}
}
