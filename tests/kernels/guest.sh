#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a guest. It plays the scenes and hands what they print to the host, by the
# second serial line, each behind a line "=== name". What it means is for the host to say.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
stty -F /dev/ttyS1 raw
exec 3>/dev/ttyS1
cd /tmp

RECORD="/build/src/ctl/cprofctl -v record -a --json"
LOADS=/build/tests/system/workloads
SAMPLER=/build/daemon/sampler/cprofd-sampler
CPU1=/sys/devices/system/cpu/cpu1/online

# say NAME FILE...
say()
{
	echo "=== $1" >&3
	shift
	cat "$@" >&3
}

# load COMMAND...: in the background, behind everything that has to keep up.
load()
{
	nice -n 19 "$@" >>/tmp/loads 2>&1 &
}

now()
{
	echo "$1 at $(cut -d' ' -f1 /proc/uptime) s"
}

# scene NAME OPTION...: a recording, while what was loaded runs.
scene()
{
	local name=$1
	shift
	now "scene $name"
	$RECORD -o "/tmp/out-$name/" "$@" >/tmp/json 2>/tmp/err
	echo "$?" >/tmp/status
	now recorded
	say "$name.status" /tmp/status
	say "$name.json" /tmp/json
	say "$name.stderr" /tmp/err
	kill $(jobs -p) 2>/dev/null
	wait
}

plain()
{
	load $LOADS/spin 0 60
	load $LOADS/spin 1 60
	scene plain --seconds 5
}

checking()
{
	load $LOADS/mapstorm 60
	load $LOADS/mapstorm 60
	scene checking --seconds 5 --hz 499 --role sampler=$SAMPLER-checking
}

astray()
{
	load $LOADS/spin 0 60
	scene astray --seconds 2 --role sampler=$SAMPLER-astray
}

# CPU 1 goes and comes back, then once more within a moment; what runs there afterwards, and only there,
# can have no sample but from an event that was opened anew.
unplug()
{
	until grep -q "on 2 CPUs" /tmp/err; do sleep 0.2; done
	sleep 1
	now offline
	echo 0 >$CPU1
	sleep 2
	now online
	echo 1 >$CPU1
	cat /sys/devices/system/cpu/online >/tmp/online
	sleep 2
	now flip
	echo 0 >$CPU1
	echo 1 >$CPU1
	sleep 2
	now load
	exec nice -n 19 $LOADS/spin 1 3 >/tmp/after
}

hotplug()
{
	: >/tmp/err
	load $LOADS/spin 0 60
	unplug &
	scene hotplug --seconds 20
	say hotplug.after /tmp/after
	say hotplug.online /tmp/online
}

names()
{
	for module in af_alg algif_hash wp512; do
		insmod /modules/$module.ko || return
	done
	load $LOADS/spin 0 60
	load $LOADS/algload wp512 60
	scene names --seconds 5 --role sampler=$SAMPLER-patient
}

# What is written into maps of unwinding rows is what BPF finds.
rows()
{
	now rows
	/build/tests/system/pool/test-pool-maps >/tmp/rows 2>&1
	echo "$?" >>/tmp/rows
	say rows /tmp/rows
}

uname -r >/tmp/uname
cat /proc/sys/kernel/perf_event_paranoid >>/tmp/uname
say kernel /tmp/uname
for name in plain checking astray hotplug names rows; do
	$name
done
say loads /tmp/loads
say over /proc/uptime
poweroff -f
