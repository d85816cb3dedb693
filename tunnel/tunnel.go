// Package tunnel reaches a smart host that cannot be dialled directly.
//
// There are two ways. The older one is a shell line of the person's own that is run before the
// connection is made, and typically leaves a forwarded port behind:
//
//	preconnect = "ssh -f -L 25025:localhost:25 gateway 'sleep 5'"
//
// A [Forward] runs it, dials the port, and ends what it has left. The newer one is a
// command whose standard input and output are the connection:
//
//	tunnel: ssh gateway
//
// [command.Parse] reads it and [Dial] runs it; there is no local port
// that others on the machine could use, and the command ends with the session.
//
// Package helper runs both, in the person's home directory.
package tunnel
