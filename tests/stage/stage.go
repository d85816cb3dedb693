// Package stage is what the tests of the built program share. They know nothing but that program,
// and drive it the way people and real mail programs do: a Person with a throw-away home calls it,
// a SmartHost on loopback takes what it sends.
//
// A test package on this stage has a TestMain that calls Main.
package stage
