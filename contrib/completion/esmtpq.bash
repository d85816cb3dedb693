# bash completion for esmtpq and its names
_esmtpq() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb=${1##*/} words=
	if [ "$verb" = esmtpq ]; then
		if [ "$COMP_CWORD" = 1 ]; then
			COMPREPLY=($(compgen -W 'sendmail deliver mailq newaliases setup import wire send show hold release adopt rm retry log explain check check-message config probe online oauth listen etrn secret demo version help' -- "$cur"))
			return
		fi
		verb=${COMP_WORDS[1]}
	fi
	case $verb in
	sendmail | explain) words='-a -A -B -b -C -c -D -d -e -F -f -G -h -I -i -L -m -N -n -O -o -p -q -R -r -s -T -t -U -V -v -X -x' ;;
	deliver) words='--all-users --watch --sender --recipient --older' ;;
	mailq) words='--json --count --watch --quiet' ;;
	setup) words='--host --tls --username --keyring --password-command --in-clear --oauth --client-id --token-command --dry-run --non-interactive --test --pacc' ;;
	import) words='--apply --keyring --in-clear --kind' ;;
	wire) words='--apply --undo --file --sendmail' ;;
	send) words='--at' ;;
	show) words='--raw --sender --recipient --older' ;;
	hold) words='--sender --recipient --older' ;;
	release) words='--sender --recipient --older' ;;
	rm) words='--yes --sender --recipient --older' ;;
	retry) words='--to --sender --recipient --older' ;;
	log) words='--json --follow --since' ;;
	probe) words='--json --forget' ;;
	online) words='--verbose --timeout' ;;
	listen) words='--auth-file' ;;
	secret) words='--proxy' ;;
	esac
	case $verb in
	deliver | show | hold | release | rm | retry) words="$words all last $(mailq --json 2>/dev/null | sed -n 's/.*"queue_id":"\([0-9A-Za-z]*\)".*/\1/p')" ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _esmtpq esmtpq sendmail deliver mailq
