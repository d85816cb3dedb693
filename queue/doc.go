// Package queue keeps the promise to go on trying until each recipient of a message has been served.
//
// How a message lies on disk, and when it is accepted, is the matter of the package spool.
package queue
