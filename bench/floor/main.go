// Floor is the least that a durable submission costs a program in Go: it writes standard input to
// a file in a directory, syncs the file, renames it, and syncs the directory.
package main

import (
	"io"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) != 2 {
		println("usage: floor DIRECTORY <MESSAGE")
		os.Exit(2)
	}
	if err := store(os.Args[1]); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

func store(dir string) error {
	name := dir + "/" + strconv.Itoa(os.Getpid())
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, os.Stdin); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return d.Sync()
}
