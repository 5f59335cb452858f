/* LD_PRELOAD: gives pseudo-terminals the modem lines that the kernel denies them, and tells every change.
 *
 * MODEM_LOG: a file; each line "<monotonic ns> <pid> <event> <DTR> <RTS>". MODEM_INPUTS: a file whose first byte is the state
 * of CTS ('1' = on). As a real port does, open() raises DTR and RTS together and the last close() drops them together.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int lines[1024];
static char ours[1024];

static void tell(int fd, const char *event) {
    const char *path = getenv("MODEM_LOG");
    if (!path) return;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    char text[128];
    int length = snprintf(text, sizeof text, "%lld %d %s %d %d\n", t.tv_sec * 1000000000LL + t.tv_nsec, getpid(), event,
                          !!(lines[fd] & TIOCM_DTR), !!(lines[fd] & TIOCM_RTS));
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
    int log = real_open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (log >= 0) {
        if (write(log, text, length) != length) abort();
        real_close(log);
    }
}

static int is_pts(int fd) {
    struct stat found;
    return fd >= 0 && fd < 1024 && !fstat(fd, &found) && S_ISCHR(found.st_mode) && major(found.st_rdev) >= 136 &&
           major(found.st_rdev) <= 143;
}

static int opened(int fd) {
    if (is_pts(fd)) {
        ours[fd] = 1;
        lines[fd] = TIOCM_DTR | TIOCM_RTS;
        tell(fd, "open");
    }
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    return opened(real(path, flags, mode));
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return opened(real(path, flags, mode));
}

int close(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < 1024 && ours[fd]) {
        lines[fd] = 0;
        ours[fd] = 0;
        tell(fd, "close");
    }
    return real(fd);
}

static int inputs(void) {
    const char *path = getenv("MODEM_INPUTS");
    char level = '0';
    if (path) {
        int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
        int fd = real_open(path, O_RDONLY);
        if (fd >= 0) {
            if (read(fd, &level, 1) != 1) level = '0';
            real_close(fd);
        }
    }
    return level == '1' ? TIOCM_CTS : 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    if (fd < 0 || fd >= 1024 || !ours[fd]) return real(fd, request, argument);
    int *bits = argument;
    switch (request) {
    case TIOCMGET: *bits = lines[fd] | inputs(); return 0;
    case TIOCMSET: lines[fd] = *bits; break;
    case TIOCMBIS: lines[fd] |= *bits; break;
    case TIOCMBIC: lines[fd] &= ~*bits; break;
    default: return real(fd, request, argument);
    }
    tell(fd, "set");
    return 0;
}
