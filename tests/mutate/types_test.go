package mutate

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// A fault that cannot be compiled would be caught by any test. Each is checked here, since only a
// few are made.
func TestFaultsCompile(t *testing.T) {
	stage.NeedsCompiler(t)
	root := stage.Source(t, "")
	s := listSources(t, root)
	for _, f := range all() {
		path, changed, err := f.site(root)
		if err != nil {
			continue // TestFaultsFindTheirPlace says so
		}
		if err := s.check(path, changed); err != nil {
			t.Errorf("%v: %v", &f, err)
		}
	}
}

// sources are the packages of the source, and what the compiler has exported of each and of all
// that they import.
type sources struct {
	packages map[string]listedPackage // by directory
	exported map[string]string        // the file, by import path
	files    *token.FileSet
	imported types.Importer
}

type listedPackage struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
}

func listSources(t *testing.T, root string) *sources {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=Dir,ImportPath,Export,GoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &sources{
		packages: map[string]listedPackage{},
		exported: map[string]string{},
		files:    token.NewFileSet(),
	}
	s.imported = importer.ForCompiler(s.files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(s.exported[path])
	})
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); err == io.EOF {
			return s
		} else if err != nil {
			t.Fatal(err)
		}
		s.packages[p.Dir], s.exported[p.ImportPath] = p, p.Export
	}
}

// check checks the types of the package that the file at path belongs to, with other content in it.
func (s *sources) check(path string, content []byte) error {
	p, ok := s.packages[filepath.Dir(path)]
	if !ok {
		return errors.New("no package of the program: " + filepath.Dir(path))
	}
	var syntax []*ast.File
	for _, name := range p.GoFiles {
		file := filepath.Join(p.Dir, name)
		var source any // nil: read the file
		if file == path {
			source = content
		}
		tree, err := parser.ParseFile(s.files, file, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		syntax = append(syntax, tree)
	}
	config := types.Config{Importer: s.imported}
	_, err := config.Check(p.ImportPath, s.files, syntax, nil)
	return err
}
