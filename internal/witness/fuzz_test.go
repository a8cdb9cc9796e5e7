package witness

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// A key for these tests alone, the same in every run, as the corpus needs it.
const (
	fuzzLedger  = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	fuzzPrivate = "PRIVATE+KEY+nhi-witness/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a+823e19b4+AUl/EU58eK6goroZaWmon7pqG3ec4rPQ2Xzdm+rcXA0b"
	fuzzPublic  = "nhi-witness/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a+823e19b4+Aco447Mc49ZJvKe7aXfo8Tiedi4D6s7DhCDHHa9CuoHA"
)

var fuzzTime = time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)

// FuzzRecords reads any log of a memory, whoever signed it: what is taken is
// written again as the same bytes, and can be held against a look.
func FuzzRecords(f *testing.F) {
	began := Record{Kind: KindBegan, Time: fuzzTime, Ledger: fuzzLedger, Key: fuzzPublic}
	for _, records := range [][]Record{
		{began, {Kind: KindEntry, Time: fuzzTime, Chain: "grant/a", Seq: 1, Hash: nhi.DigestOf("1")}, {Kind: KindOther, Time: fuzzTime, Chain: "grant/a", Seq: 1, Hash: nhi.DigestOf("2")}},
		{began, {Kind: KindEntry, Time: fuzzTime, Chain: "grant/a", Seq: 1, Hash: nhi.DigestOf("1")}, {Kind: KindGone, Time: fuzzTime, Chain: "grant/a", Seq: 1, To: 1}, {Kind: KindBack, Time: fuzzTime, Chain: "grant/a", Seq: 1, To: 1}},
		{began, {Kind: KindStranger, Time: fuzzTime}, {Kind: KindBorne, Time: fuzzTime, Chain: "x", Reason: "y"}, {Kind: KindAccepted, Time: fuzzTime, Reason: "CHG-1234"}},
	} {
		var log []byte
		for _, record := range records {
			data, err := record.encode()
			if err != nil {
				f.Fatal(err)
			}
			log = append(append(log, data...), '\n')
		}
		f.Add(log)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		m := newMemory()
		for line := range bytes.Lines(log) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			record, err := decodeRecord(line)
			if err == nil {
				if again, err := record.encode(); err != nil || !bytes.Equal(again, line) {
					t.Errorf("read %q and wrote %q, %v", line, again, err)
				}
				err = m.add(record)
			}
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%v is no ErrDamaged", err)
				}
				return
			}
		}
		if m.ledger == "" {
			return
		}
		report, _ := m.Compare(Nothing(), fuzzTime)
		if report.OK() {
			t.Error("nothing was found where nothing is")
		}
	})
}

// FuzzCheckpoint reads any signed note: its text has one way to be written, and
// it is under the witness's own key.
func FuzzCheckpoint(f *testing.F) {
	signer, err := signerOf(nhi.NewSecret(fuzzPrivate), fuzzPublic)
	if err != nil {
		f.Fatal(err)
	}
	good, err := Checkpoint{Ledger: fuzzLedger, Size: 3, Time: fuzzTime}.sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Note)
	f.Add(strings.Replace(good.Note, "\n3\n", "\n03\n", 1))
	f.Add(good.Note + good.Note[strings.LastIndex(good.Note, "— "):])
	f.Fuzz(func(t *testing.T, note string) {
		if claimed, err := claim(note); err == nil {
			if !strings.HasPrefix(note, claimed.text()) {
				t.Errorf("read %q and wrote %q", note, claimed.text())
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("%v is no ErrDamaged", err)
		}
		if text, err := openNote(note, fuzzPublic); err == nil && !strings.HasPrefix(note, text+"\n— ") {
			t.Errorf("%q was opened as %q", note, text)
		} else if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%v is no ErrDamaged", err)
		}
	})
}
