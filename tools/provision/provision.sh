#!/bin/sh
# Prepares a Jetson for radar-edge: services, udev rules, serial console off the port, power mode, camera network.
#
#   provision.sh --target orin-nano-8gb [--nvpmodel N] [--gige INTERFACE] [--engine onnxruntime|tensorrt]
#                [--root DIR] [--dry-run]
#
# Without --root it changes this machine (as root) and tells systemd and udev. With --root DIR it prepares an L4T root
# file system that is mounted there, before flashing, and starts nothing. A second run changes nothing. --dry-run prints
# every change and makes none. Exit codes: 0; 2 a wrong argument; 3 the machine lacks something. Not run on a Jetson.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=/
DRY=
TARGET=
NVPMODEL=
GIGE=
ENGINE=tensorrt
CHANGES=0

fail() { # CODE TEXT
    echo "error: $2" >&2
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) DRY=1; shift; continue ;;
        --help|-h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        --root|--target|--nvpmodel|--gige|--engine) [ $# -ge 2 ] || fail 2 "$1 needs a value" ;;
        *) fail 2 "unknown argument $1: see --help" ;;
    esac
    case $1 in
        --root) ROOT=$2 ;;
        --target) TARGET=$2 ;;
        --nvpmodel) NVPMODEL=$2 ;;
        --gige) GIGE=$2 ;;
        --engine) ENGINE=$2 ;;
    esac
    shift 2
done
[ -n "$TARGET" ] || fail 2 "say which board this is, such as --target orin-nano-8gb"
case $TARGET in *[!a-z0-9-]*) fail 2 "a target is of letters, digits and dashes, found $TARGET" ;; esac
case $NVPMODEL in *[!0-9]*) fail 2 "a power mode is a number, found $NVPMODEL" ;; esac
case $GIGE in *[!a-zA-Z0-9._-]*) fail 2 "$GIGE is no network interface" ;; esac
case $ENGINE in onnxruntime|tensorrt) ;; *) fail 2 "the engine is onnxruntime or tensorrt, found $ENGINE" ;; esac
[ -d "$ROOT/etc" ] || fail 3 "$ROOT has no etc: it is no root file system"
[ -n "$DRY" ] || [ -w "$ROOT/etc" ] || fail 3 "cannot write $ROOT/etc: run this as root"
ROOT=${ROOT%/}

change() { # TEXT: count it and say it; false with --dry-run
    CHANGES=$((CHANGES + 1))
    echo "${DRY:+would }$1"
    [ -z "$DRY" ]
}

put() { # SOURCE PATH: the file as it stands in the root, written whole or not at all
    if [ -f "$ROOT$2" ] && cmp -s "$1" "$ROOT$2"; then return; fi
    change "write $2" || return 0
    mkdir -p "$(dirname "$ROOT$2")"
    cp "$1" "$ROOT$2.new"
    chmod 644 "$ROOT$2.new"
    sync "$ROOT$2.new"
    mv "$ROOT$2.new" "$ROOT$2"
}

put_text() { # PATH: standard input becomes the file
    text=$(mktemp)
    cat > "$text"
    put "$text" "$1"
    rm -f "$text"
}

link() { # TARGET PATH
    if [ "$(readlink "$ROOT$2" 2>/dev/null || true)" = "$1" ]; then return; fi
    change "link $2 to $1" || return 0
    mkdir -p "$(dirname "$ROOT$2")"
    ln -s "$1" "$ROOT$2.new"
    mv -T "$ROOT$2.new" "$ROOT$2"
}

remove() { # PATH
    if [ ! -e "$ROOT$1" ] && [ ! -L "$ROOT$1" ]; then return; fi
    change "remove $1" || return 0
    rm -f "$ROOT$1"
}

install_unit() { # UNIT
    put "$HERE/$1" "/etc/systemd/system/$1"
    link "/etc/systemd/system/$1" "/etc/systemd/system/multi-user.target.wants/$1"
}

put_text /etc/radar-edge/unit.env << TEXT
RADAR_EDGE_TARGET=$TARGET
RADAR_EDGE_NVPMODEL=${NVPMODEL:-0}
TEXT
install_unit radar-edge.service
if [ "$ENGINE" = tensorrt ]; then
    install_unit radar-edge-finish.service
    put "$HERE/radar-edge-tensorrt.conf" /etc/systemd/system/radar-edge.service.d/tensorrt.conf
else
    remove /etc/systemd/system/multi-user.target.wants/radar-edge-finish.service
    remove /etc/systemd/system/radar-edge.service.d/tensorrt.conf
fi
if [ -n "$NVPMODEL" ]; then install_unit radar-edge-power.service; fi
put "$HERE/99-radar-edge.rules" /etc/udev/rules.d/99-radar-edge.rules
put "$HERE/radar-edge-watchdog.conf" /etc/systemd/system.conf.d/radar-edge-watchdog.conf
# JetPack's login on the 40-pin header's UART writes to whatever hangs there.
link /dev/null /etc/systemd/system/nvgetty.service
remove /etc/systemd/system/multi-user.target.wants/nvgetty.service
if [ -n "$GIGE" ]; then
    put "$HERE/60-radar-edge.conf" /etc/sysctl.d/60-radar-edge.conf
    put_text /etc/systemd/network/70-radar-edge-gige.link << TEXT
[Match]
OriginalName=$GIGE

[Link]
MTUBytes=9000
TEXT
fi

if [ "$CHANGES" -eq 0 ]; then
    echo "nothing to do"
elif [ -z "$ROOT" ] && [ -z "$DRY" ]; then
    systemctl daemon-reload
    udevadm control --reload
    udevadm trigger --subsystem-match=tty --subsystem-match=usb-serial
    echo "$CHANGES changes; reboot to start the line with them"
else
    echo "$CHANGES changes"
fi
