// Package oauth gets access tokens for identities that log in by OAuth 2.0 (RFC 6749): it has the
// dialogue in which a person allows it, and renews the tokens later without one.
//
// What must not be lost is the refresh token. Many servers give another one at each use, and take
// the use of an old one for theft, after which no token of the family is good any more. Hence:
//
//   - Tokens are renewed under a lock of their identity, and read again under it: of ten deliveries
//     at the same time one renews.
//   - That a request goes out is durable before it goes out, and the answer is durable before it is
//     looked at.
//   - A request that was not answered is not sent again while the access token is good.
//   - Nothing is deleted because of a failure.
//
// The library x/oauth2 makes the requests. Their answers are read here, since it loses tokens over
// a number with a fraction, takes a token without an end for one that is good for ever, and puts
// whole pages into its errors.
package oauth
