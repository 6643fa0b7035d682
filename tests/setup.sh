# SPDX-License-Identifier: Apache-2.0
# What quickstart and runtests share: is this a machine for cprofd, packages, building.
# Sourced by bash from the root of the tree; LOG names the file that gets all output of the steps.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# What runs beside must not outlive us, Ctrl-C included.
BESIDE=()
trap '[ ${#BESIDE[@]} -eq 0 ] || kill "${BESIDE[@]}" 2>/dev/null || true' EXIT

say() { printf '%s\n' "$*"; }

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# step TEXT COMMAND...: one line of progress; all output goes to the log, whose end is shown on failure.
step()
{
	local text=$1 start=$SECONDS status=0 ticker
	shift
	printf -- '-- %s ' "$text"
	printf '\n== %s: %s\n' "$text" "$*" >>"$LOG"
	(while sleep 3 >/dev/null 2>&1; do printf .; done) &
	ticker=$!
	BESIDE+=("$ticker")
	"$@" >>"$LOG" 2>&1 </dev/null || status=$?
	kill "$ticker"
	wait "$ticker" 2>/dev/null || true
	unset 'BESIDE[-1]'
	if [ "$status" -ne 0 ]; then
		say " failed"
		tail -n 20 "$LOG" | sed 's/^/   /' >&2
		die "$text: failed with status $status; the whole log is $LOG"
	fi
	say " $((SECONDS - start)) s"
}

# mounted PATH TYPE: a chroot or container may lack what every machine has.
mounted()
{
	local proof=$1 type=$2
	[ -e "$proof" ] && return
	mkdir -p "/$type" && mount -t "${type/#sys/sysfs}" "$type" "/$type" 2>/dev/null ||
		die "/$type is not mounted and cannot be: run \`mount -t ${type/#sys/sysfs} $type /$type\` here first"
	say "-- /$type was missing: mounted it"
}

# check_machine: one clear line where cprofd cannot run.
check_machine()
{
	[ "$(uname -m)" = x86_64 ] || die "cprofd supports x86-64 only, for now: this machine is $(uname -m)"
	[ "$(id -u)" -eq 0 ] || die "must run as root: it installs packages, and profiling a whole machine takes root"
	[ -c /dev/null ] || die "/dev is empty: bind the machine's /dev here first"
	mounted /proc/self/stat proc
	mounted /sys/kernel sys
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "this kernel ($(uname -r)) has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y"
	local major minor
	IFS=.- read -r major minor _ <<<"$(uname -r)"
	[ $((major * 1000 + minor)) -ge 6001 ] || die "this kernel is $(uname -r): cprofd needs 6.1 or later"
}

# missing_packages FILE...: of the packages listed, those that are not there.
missing_packages()
{
	local -A installed=()
	local package command status
	while read -r package status; do
		[ "$status" = installed ] && installed[$package]=1
	done < <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' 2>/dev/null)
	sed 's/#.*//' "$@" | while read -r package command; do
		[ -n "$package" ] || continue
		[ -n "${installed[$package]:-}" ] && continue
		[ -n "$command" ] && command -v "$command" >/dev/null && continue
		say "$package"
	done
}

# install_packages FILE...: sets INSTALLED when there was something to do.
install_packages()
{
	local missing
	if ! command -v apt-get >/dev/null; then
		say "-- no apt-get here: going on with what is installed ($* name what is needed)"
		return
	fi
	mapfile -t missing < <(missing_packages "$@")
	if [ "${#missing[@]}" -eq 0 ]; then
		say "-- packages: all there"
		return
	fi
	say "-- packages missing: ${missing[*]}"
	step "apt-get update" apt-get -q update
	step "installing ${#missing[@]} packages and what they need" \
		apt-get -q install -y --no-install-recommends "${missing[@]}"
	INSTALLED=yes
}

# differs DIR KEY=VALUE...: the build tree is not of this source and these options.
differs()
{
	python3 - "$PWD" "$@" <<'PYTHON'
import json, sys
source, build, *wanted = sys.argv[1:]
try:
    with open(build + '/meson-info/meson-info.json') as f:
        if json.load(f)['directories']['source'] != source:
            sys.exit(0)
    with open(build + '/meson-info/intro-buildoptions.json') as f:
        options = {o['name']: str(o['value']) for o in json.load(f)}
except (OSError, ValueError, KeyError):
    sys.exit(0)
sys.exit(0 if any(options.get(k) != v for k, v in (w.split('=', 1) for w in wanted)) else 1)
PYTHON
}

# programs DIR: what is installed, as ninja knows it. Using cprofd takes no test programs.
programs()
{
	python3 - "$1" <<'PYTHON'
import json, os, sys
with open(sys.argv[1] + '/meson-info/intro-targets.json') as f:
    for target in json.load(f):
        if target.get('installed') and target['type'] == 'executable':
            print(*(os.path.relpath(name, sys.argv[1]) for name in target['filename']))
PYTHON
}

# configure_tree DIR KEY=VALUE...: only if need be.
configure_tree()
{
	local dir=$1 wipe=
	shift
	if differs "$dir" "$@"; then
		[ -f "$dir/meson-private/coredata.dat" ] && wipe=--wipe
		step "configuring $dir" meson setup $wipe "${@/#/-D}" "$dir"
	elif [ -n "${INSTALLED:-}" ]; then
		# What was not found last time may be there now.
		step "configuring $dir again" meson setup --reconfigure "$dir"
	fi
}

# build_tree DIR [TARGET...]
build_tree()
{
	local dir=$1
	shift
	step "building $dir" ninja -C "$dir" -j "$(nproc)" "$@"
}
