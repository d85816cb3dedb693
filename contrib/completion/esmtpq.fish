# fish completion for esmtpq and its names
complete -c esmtpq -n __fish_use_subcommand -f -a sendmail -d 'take a message from standard input into the queue'
complete -c esmtpq -n __fish_use_subcommand -f -a deliver -d 'try to deliver what is in the queue'
complete -c esmtpq -n __fish_use_subcommand -f -a mailq -d 'list the queue'
complete -c esmtpq -n __fish_use_subcommand -f -a newaliases -d 'do nothing, for programs that expect it'
complete -c esmtpq -n __fish_use_subcommand -f -a setup -d 'find out how mail of an address is sent, log in, and add that to the configuration'
complete -c esmtpq -n __fish_use_subcommand -f -a import -d 'read the settings of msmtp, nullmailer, ssmtp, mutt, aerc, git or esmtp'
complete -c esmtpq -n __fish_use_subcommand -f -a wire -d 'make mail programs send by this one: print the lines that they need, or write them'
complete -c esmtpq -n __fish_use_subcommand -f -a send -d 'take a message as sendmail does, to be sent at a time'
complete -c esmtpq -n __fish_use_subcommand -f -a show -d 'print a message of the queue: envelope, history, header; or its content'
complete -c esmtpq -n __fish_use_subcommand -f -a hold -d 'keep messages from being delivered until they are released'
complete -c esmtpq -n __fish_use_subcommand -f -a release -d 'let held messages go'
complete -c esmtpq -n __fish_use_subcommand -f -a adopt -d 'send from here what was brought from another machine or a backup'
complete -c esmtpq -n __fish_use_subcommand -f -a rm -d 'remove messages from the queue, unsent'
complete -c esmtpq -n __fish_use_subcommand -f -a retry -d 'try again now, failed recipients too, perhaps with a corrected address'
complete -c esmtpq -n __fish_use_subcommand -f -a log -d 'tell what became of mail: its attempts, and the hosts\' words'
complete -c esmtpq -n __fish_use_subcommand -f -a explain -d 'say how mail for an address would be sent, and why, without sending any'
complete -c esmtpq -n __fish_use_subcommand -f -a check -d 'tell what is wrong, or may be, with the configuration, its secrets and the queue'
complete -c esmtpq -n __fish_use_subcommand -f -a check-message -d 'tell what may be wrong with a message'
complete -c esmtpq -n __fish_use_subcommand -f -a config -d 'print the configuration as YAML, and where it is from'
complete -c esmtpq -n __fish_use_subcommand -f -a probe -d 'connect to smart hosts and log in as a delivery would, without sending any mail'
complete -c esmtpq -n __fish_use_subcommand -f -a online -d 'say by the exit status whether a smart host answers, so that mail could leave'
complete -c esmtpq -n __fish_use_subcommand -f -a oauth -d 'log in at a provider of mail with OAuth 2.0, for identities with oauth'
complete -c esmtpq -n __fish_use_subcommand -f -a listen -d 'take messages by SMTP and LMTP from programs on this machine'
complete -c esmtpq -n __fish_use_subcommand -f -a etrn -d 'ask a host to send the mail that it keeps for a domain'
complete -c esmtpq -n __fish_use_subcommand -f -a secret -d 'put the password of an identity into the keyring'
complete -c esmtpq -n __fish_use_subcommand -f -a demo -d 'send a mail through everything, to a smart host of its own'
complete -c esmtpq -n __fish_use_subcommand -f -a version -d 'print the version'
complete -c esmtpq -n __fish_use_subcommand -f -a help -d 'explain'
complete -c sendmail -o a -d 'the identity to send it as, by its name, whatever the sender is'
complete -c sendmail -o A -d 'ignored: choice of sendmail\'s configuration'
complete -c sendmail -o B -d 'body type: 7BIT or 8BITMIME'
complete -c sendmail -o b -d 'what to do: m (send, the default), p (list the queue), P (count it), s (SMTP on standard input), v (explain an address), i (nothing, for newaliases)'
complete -c sendmail -o C -d 'configuration file to use'
complete -c sendmail -o c -d 'ignored'
complete -c sendmail -o D -d 'ignored: debug output'
complete -c sendmail -o d -d 'ignored: debug level'
complete -c sendmail -o e -d 'ignored: error mode'
complete -c sendmail -o F -d 'full name of the sender, for a From: field that has to be made'
complete -c sendmail -o f -d 'envelope sender (reverse-path); \'\' or <> is the null reverse-path; the last one counts'
complete -c sendmail -o G -d 'ignored'
complete -c sendmail -o h -d 'hop count: ignored, but must be a number'
complete -c sendmail -o I -d 'the same as -bi'
complete -c sendmail -o i -d 'a line with a single dot does not end the message'
complete -c sendmail -o L -d 'name to use in messages'
complete -c sendmail -o m -d 'ignored'
complete -c sendmail -o N -d 'when the host is to send a delivery status notification: never, or a list of success, failure, delay'
complete -c sendmail -o n -d 'ignored: no aliases'
complete -c sendmail -o O -d 'DeliveryMode=q: spool only, start no delivery; requiretls=yes: TLS all the way (RFC 8689), or failure; others ignored'
complete -c sendmail -o o -d 'i as -i; dq: spool only, start no delivery; others ignored'
complete -c sendmail -o p -d 'ignored: receiving protocol'
complete -c sendmail -o q -d 'run the queue; qIid, qRrecipient, qSsender select by a part of it, q! what does not match, qf in the foreground'
complete -c sendmail -o R -d 'what a delivery status notification is to return'
complete -c sendmail -o r -d 'the same as -f'
complete -c sendmail -o s -d 'ignored'
complete -c sendmail -o T -d 'ignored: timeout'
complete -c sendmail -o t -d 'take recipients from To:, Cc: and Bcc: as well'
complete -c sendmail -o U -d 'ignored: SMTPUTF8 is used when it is needed'
complete -c sendmail -o V -d 'envelope identifier for delivery status notifications'
complete -c sendmail -o v -d 'deliver in the foreground and show the SMTP dialogue on standard error'
complete -c sendmail -o X -d 'append the SMTP dialogue to a file'
complete -c sendmail -o x -d 'ignored'
complete -c esmtpq -n '__fish_seen_subcommand_from deliver' -l all-users
complete -c esmtpq -n '__fish_seen_subcommand_from deliver' -l watch
complete -c esmtpq -n '__fish_seen_subcommand_from deliver' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from deliver' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from deliver' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from mailq' -l json
complete -c esmtpq -n '__fish_seen_subcommand_from mailq' -l count
complete -c esmtpq -n '__fish_seen_subcommand_from mailq' -l watch
complete -c esmtpq -n '__fish_seen_subcommand_from mailq' -l quiet
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l host
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l tls
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l username
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l keyring
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l password-command
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l in-clear
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l oauth
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l client-id
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l token-command
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l dry-run
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l non-interactive
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l test
complete -c esmtpq -n '__fish_seen_subcommand_from setup' -l pacc
complete -c esmtpq -n '__fish_seen_subcommand_from import' -l apply
complete -c esmtpq -n '__fish_seen_subcommand_from import' -l keyring
complete -c esmtpq -n '__fish_seen_subcommand_from import' -l in-clear
complete -c esmtpq -n '__fish_seen_subcommand_from import' -l kind
complete -c esmtpq -n '__fish_seen_subcommand_from wire' -l apply
complete -c esmtpq -n '__fish_seen_subcommand_from wire' -l undo
complete -c esmtpq -n '__fish_seen_subcommand_from wire' -l file
complete -c esmtpq -n '__fish_seen_subcommand_from wire' -l sendmail
complete -c esmtpq -n '__fish_seen_subcommand_from send' -l at
complete -c esmtpq -n '__fish_seen_subcommand_from show' -l raw
complete -c esmtpq -n '__fish_seen_subcommand_from show' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from show' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from show' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from hold' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from hold' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from hold' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from release' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from release' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from release' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from rm' -l yes
complete -c esmtpq -n '__fish_seen_subcommand_from rm' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from rm' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from rm' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from retry' -l to
complete -c esmtpq -n '__fish_seen_subcommand_from retry' -l sender
complete -c esmtpq -n '__fish_seen_subcommand_from retry' -l recipient
complete -c esmtpq -n '__fish_seen_subcommand_from retry' -l older
complete -c esmtpq -n '__fish_seen_subcommand_from log' -l json
complete -c esmtpq -n '__fish_seen_subcommand_from log' -l follow
complete -c esmtpq -n '__fish_seen_subcommand_from log' -l since
complete -c esmtpq -n '__fish_seen_subcommand_from probe' -l json
complete -c esmtpq -n '__fish_seen_subcommand_from probe' -l forget
complete -c esmtpq -n '__fish_seen_subcommand_from online' -l verbose
complete -c esmtpq -n '__fish_seen_subcommand_from online' -l timeout
complete -c esmtpq -n '__fish_seen_subcommand_from listen' -l auth-file
complete -c esmtpq -n '__fish_seen_subcommand_from secret' -l proxy
complete -c esmtpq -n '__fish_seen_subcommand_from deliver show hold release rm retry' -f -a "all last (mailq --json 2>/dev/null | sed -n 's/.*\"queue_id\":\"\([0-9A-Za-z]*\)\".*/\1/p')"
