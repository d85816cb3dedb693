// Package discover finds the smart host for an address: in a table of its own, in what the domain
// publishes (autoconfig, SRV), by who takes the domain's mail (MX), and by trying the usual names. All
// is asked at once, within one limit.
//
// Nobody but the domain's own web server learns the address, and that only if it answers nothing
// without; everybody else is asked about the domain. Every name is asked with a dot at its end:
// without one, the search list of this machine could answer with a host of another domain, and that
// host would be offered the password.
package discover
