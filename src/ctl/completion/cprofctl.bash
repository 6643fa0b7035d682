# SPDX-License-Identifier: Apache-2.0
# Bash completion of cprofctl(1). Commands, options and events are asked of the program itself, so
# that they are those of the version that is installed; nothing here names them a second time.

# The words of one section of a help: the first of each line, options in their long form.
_cprofctl_section()
{
	local program=$1 section=$2
	shift 2
	"$program" "$@" --help 2>/dev/null | sed -n "/^$section/,/^\$/p" | case $section in
	Options) sed -nE 's/^ +(-[A-Za-z], +)?(--[a-z-]+).*/\2/p' ;;
	Events) sed -nE 's/^  ([a-z-]+)(, ([a-z-]+))? .*/\1 \3/p' ;;
	*) sed -nE 's/^  ([a-z-]+) .*/\1/p' ;;
	esac
}

# Of this machine: processes, and the units that have any.
_cprofctl_pids()
{
	local dir
	for dir in /proc/[0-9]*; do
		printf '%s\n' "${dir#/proc/}"
	done
}

_cprofctl_units()
{
	cat /proc/[0-9]*/cgroup 2>/dev/null |
		sed -nE 's|^[0-9]+:[^:]*:.*/([^/]+\.(service\|scope))(/.*)?$|\1|p' | sort -u
}

_cprofctl_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_cprofctl_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# The argument of an option; 1: it takes none, or nothing that could be guessed.
_cprofctl_argument()
{
	local program=$1 command=$2 option=$3 cur=$4 list=

	case $option in
	--pid | -p)
		[[ $cur == *,* ]] && list=${cur%,*},
		_cprofctl_words "$(_cprofctl_pids)" "${cur##*,}"
		COMPREPLY=("${COMPREPLY[@]/#/$list}")
		;;
	--unit) _cprofctl_words "$(_cprofctl_units)" "$cur" ;;
	--event) _cprofctl_words "$(_cprofctl_section "$program" Events "$command")" "$cur" ;;
	--output | -o | --socket | --raw | --root) _cprofctl_files "$cur" ;;
	--seconds | --hz | --ring | --nodecount | -n | --nodefraction | --limit | --comm) COMPREPLY=() ;;
	--since | --until) _cprofctl_words "5m 1h 1d" "$cur" ;;
	--kind) _cprofctl_words "cpu" "$cur" ;;
	--sample-index) _cprofctl_words "samples cpu" "$cur" ;;
	*) return 1 ;;
	esac
}

# What a command takes besides options.
_cprofctl_operand()
{
	local program=$1 command=$2 cur=$3

	case $command in
	'') _cprofctl_words "$(_cprofctl_section "$program" Commands)" "$cur" ;;
	help) _cprofctl_words "$(_cprofctl_section "$program" Commands)" "$cur" ;;
	record)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -c -f -- "$cur" | sort -u)
		;;
	check | status | ps | ls | version) COMPREPLY=() ;;
	*) _cprofctl_files "$cur" ;;
	esac
}

_cprofctl()
{
	local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev command= recorded= i

	COMPREPLY=()
	type "$program" >/dev/null 2>&1 || program=cprofctl
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	# Readline splits --pid=1 into three words.
	if [[ $cur == '=' ]]; then
		cur=
	elif [[ $prev == '=' ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ((i++)) ;;
		--) [[ $command == record ]] && recorded=$((i + 1)) && break ;;
		-*) ;;
		*) [[ $command ]] || command=${COMP_WORDS[i]} ;;
		esac
	done
	# What is recorded is completed as if it stood alone.
	if [[ $recorded ]] && ((COMP_CWORD > recorded)); then
		if declare -F _command_offset >/dev/null; then
			_command_offset "$recorded"
		else
			_cprofctl_files "$cur"
		fi
		return
	fi
	if [[ ! $recorded ]]; then
		_cprofctl_argument "$program" "$command" "$prev" "$cur" && return
		if [[ $cur == -* ]]; then
			_cprofctl_words "$({
				_cprofctl_section "$program" Options ${command:+"$command"}
				_cprofctl_section "$program" Options
			} | sort -u)" "$cur"
			return
		fi
	fi
	_cprofctl_operand "$program" "$command" "$cur"
}

complete -F _cprofctl cprofctl
