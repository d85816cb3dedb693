// Package stage has what the tests of the built program share. The tests know nothing but that
// program, and use it as people and real mail programs do: a Person with a throw-away home calls
// it, and a SmartHost on loopback takes what it sends.
//
// A test package on this stage has a TestMain that calls Main.
package stage
