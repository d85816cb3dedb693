package helper_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"esmtpq/helper"
)

func Example() {
	c := helper.Shell(`wc -l | tr -d ' '; echo "for $1"; exit 75`, "joe")
	c.Stdin = strings.NewReader("one\ntwo\n")
	c.Limit = time.Minute
	exit, err := c.Run(context.Background())
	if err != nil {
		fmt.Println(err) // it could not be started
		return
	}
	fmt.Println(exit.Status, exit.Whole)
	fmt.Println(exit.Words())
	fmt.Println(exit.Err("agent"))
	// Output:
	// 75 true
	// 2; for joe
	// agent: exit status 75: 2; for joe
}

func ExampleOutput() {
	printed, words, err := helper.Output(context.Background(), "echo hunter2; echo 'the keyring is locked' >&2; exit 1")
	fmt.Printf("%q, %q, %v\n", printed, words, err)
	// Output: "hunter2\n", "the keyring is locked", exit status 1
}
