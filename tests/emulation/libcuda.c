/* A stand-in for libcuda.so.1 in the host's memory, for the tests of the TensorRT runner. It is stricter than a GPU:
 *
 *   queued       copies and host functions run when their stream is synchronised, not before
 *   poisoned     memory that nobody wrote holds 0xCB, freed memory 0xDD, and a host buffer that waits for a copy 0xEE
 *   checked      a copy outside of live memory, pageable memory, no current context in this thread: an error, for good
 *   counted      what is alive, by emu_live; what went wrong, by emu_faults
 *
 * Only what the CUDA seam uses exists; the rest is made of stubs that return CUDA_ERROR_NOT_SUPPORTED (build.py).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, BAD_VALUE = 1, NO_MEMORY = 2, BAD_CONTEXT = 201, BAD_ADDRESS = 700, NOT_PERMITTED = 800, CAPTURING = 900 };
enum { DEVICE = 1, HOST = 2, MAPPED = 3 };
enum { TO_DEVICE, TO_HOST, FUNCTION };

typedef uint64_t address;
typedef struct memory { char *at; size_t size; int kind, live; struct memory *next; } memory;
typedef struct work { int what; char *to, *from; size_t size; void (*run)(void *); void *data; struct work *next; } work;
typedef struct { work *first, *last; int capturing; } queue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static memory *memories;
static int primary, streams, graphs, faults, sticky;
static char last_fault[256];
static __thread int depth;

static int fault(int code, const char *text) {
    if (!sticky) sticky = code;
    faults++;
    snprintf(last_fault, sizeof last_fault, "%s", text);
    return code;
}

#define NEED_CONTEXT() do { if (sticky) return sticky; \
    if (!depth) return fault(BAD_CONTEXT, "a call without a current context in this thread"); } while (0)

static memory *owner(const void *at, size_t size) {
    for (memory *m = memories; m; m = m->next)
        if (m->live && (char *)at >= m->at && (char *)at + size <= m->at + m->size) return m;
    return NULL;
}

/* --- asked by the tests and the engine double */

int emu_live(void) {
    int count = primary + streams + graphs;
    for (memory *m = memories; m; m = m->next) count += m->live;
    return count;
}
int emu_faults(void) { return faults; }
const char *emu_last_fault(void) { return last_fault; }
void emu_report(const char *text) { fault(BAD_ADDRESS, text); }
int emu_current(void) { return depth; }
int emu_gpu_reads(address at, size_t size) {
    memory *m = owner((void *)at, size);
    return m && (m->kind == DEVICE || m->kind == MAPPED);
}
void emu_reset(void) {
    faults = sticky = primary = streams = graphs = depth = 0;
    for (memory *m = memories; m; m = m->next) m->live = 0;
    last_fault[0] = 0;
}

/* --- start, device, context */

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
int cuInit(unsigned flags) { (void)flags; return OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int number) { *device = number; return OK; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    const char *text = getenv("EMU_GPU");
    snprintf(name, size, "%s", text ? text : "Emulated");
    return OK;
}
int cuDeviceComputeCapability(int *major, int *minor, int device) {
    (void)device;
    *major = setting("EMU_MAJOR", 8), *minor = setting("EMU_MINOR", 7);
    return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    switch (attribute) {
        case 18: *value = setting("EMU_INTEGRATED", 1); break;
        case 19: *value = 1; break; /* can map host memory */
        case 75: *value = setting("EMU_MAJOR", 8); break;
        case 76: *value = setting("EMU_MINOR", 7); break;
        default: *value = 0;
    }
    return OK;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = 1ull << 33; return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; primary++; *context = (void *)0x1000; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    if (!primary) return fault(BAD_CONTEXT, "the primary context is released twice");
    primary--;
    return OK;
}
int cuCtxPushCurrent_v2(void *context) { (void)context; depth++; return OK; }
int cuCtxPopCurrent_v2(void **context) {
    if (!depth) return fault(BAD_CONTEXT, "no context to pop in this thread");
    depth--;
    if (context) *context = (void *)0x1000;
    return OK;
}
int cuCtxGetCurrent(void **context) { *context = depth ? (void *)0x1000 : NULL; return OK; }
int cuCtxSetCurrent(void *context) { depth = context != NULL; return OK; }
int cuCtxGetDevice(int *device) { NEED_CONTEXT(); *device = 0; return OK; }
int cuCtxGetApiVersion(void *context, unsigned *version) { (void)context; *version = 13000; return OK; }
int cuGetErrorString(int code, const char **text) {
    static __thread char buffer[300];
    snprintf(buffer, sizeof buffer, "emulated error %d: %s", code, last_fault);
    *text = buffer;
    return OK;
}
int cuGetErrorName(int code, const char **text) { return cuGetErrorString(code, text); }

/* --- memory */

static int allocate(void **at, size_t size, int kind) {
    NEED_CONTEXT();
    if (!size) return fault(BAD_VALUE, "no bytes are allocated");
    memory *m = calloc(1, sizeof *m);
    m->at = malloc(size), m->size = size, m->kind = kind, m->live = 1;
    memset(m->at, 0xCB, size);
    pthread_mutex_lock(&lock);
    m->next = memories, memories = m;
    pthread_mutex_unlock(&lock);
    *at = m->at;
    return OK;
}
static int release(void *at, int device) {
    NEED_CONTEXT();
    for (memory *m = memories; m; m = m->next)
        if (m->at == at && m->live && (m->kind == DEVICE) == device) {
            m->live = 0; /* never given back: its address stays known as dead */
            memset(m->at, 0xDD, m->size);
            return OK;
        }
    return fault(BAD_VALUE, "memory that is not allocated is freed");
}
int cuMemAlloc_v2(address *at, size_t size) { return allocate((void **)at, size, DEVICE); }
int cuMemFree_v2(address at) { return release((void *)at, 1); }
int cuMemHostAlloc(void **at, size_t size, unsigned flags) { return allocate(at, size, flags & 2 ? MAPPED : HOST); }
int cuMemFreeHost(void *at) { return release(at, 0); }
int cuMemHostGetDevicePointer_v2(address *at, void *host, unsigned flags) {
    (void)flags;
    NEED_CONTEXT();
    memory *m = owner(host, 1);
    if (!m || m->kind != MAPPED) return fault(BAD_VALUE, "the GPU does not read this memory in place");
    *at = (address)host;
    return OK;
}
int cuMemGetInfo_v2(size_t *available, size_t *total) {
    NEED_CONTEXT();
    *available = (size_t)setting("EMU_FREE_MIB", 6000) << 20, *total = 1ull << 33;
    return OK;
}

/* --- streams */

static int push(queue *q, work item) {
    work *w = malloc(sizeof *w);
    *w = item;
    w->next = NULL;
    if (q->last) q->last->next = w; else q->first = w;
    q->last = w;
    return OK;
}
static int drain(queue *q) {
    work *w = q->first;
    q->first = q->last = NULL;
    for (work *next; w; w = next) {
        next = w->next;
        if (w->what == FUNCTION) {
            w->run(w->data);
        } else if (!owner(w->to, w->size) || !owner(w->from, w->size)) {
            fault(BAD_ADDRESS, "a queued copy ran into memory that was freed meanwhile");
        } else {
            memcpy(w->to, w->from, w->size);
        }
        free(w);
    }
    return sticky;
}
int cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    NEED_CONTEXT();
    *stream = calloc(1, sizeof(queue));
    streams++;
    return OK;
}
int cuStreamDestroy_v2(void *stream) {
    NEED_CONTEXT();
    if (((queue *)stream)->first) return fault(NOT_PERMITTED, "a stream is destroyed with work in it");
    streams--;
    free(stream);
    return OK;
}
int cuStreamSynchronize(void *stream) {
    NEED_CONTEXT();
    if (((queue *)stream)->capturing) return fault(CAPTURING, "a stream is synchronised while it is captured");
    return drain(stream);
}
static int copy(address device, void *host, size_t size, queue *q, int what) {
    NEED_CONTEXT();
    memory *d = owner((void *)device, size), *h = owner(host, size);
    if (!d || d->kind != DEVICE) return fault(BAD_ADDRESS, "a copy goes beyond the GPU's memory");
    if (!h) return fault(BAD_ADDRESS, "a copy goes beyond page-locked memory, or to memory that is not");
    if (what == TO_HOST && !q->capturing) memset(host, 0xEE, size);
    work item = {what, what == TO_HOST ? host : (char *)device, what == TO_HOST ? (char *)device : host, size, 0, 0, 0};
    return push(q, item);
}
int cuMemcpyHtoDAsync_v2(address to, void *from, size_t size, void *q) { return copy(to, from, size, q, TO_DEVICE); }
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t size, void *q) { return copy(from, to, size, q, TO_HOST); }
int cuLaunchHostFunc(void *stream, void (*run)(void *), void *data) {
    NEED_CONTEXT();
    work item = {FUNCTION, 0, 0, 0, run, data, 0};
    return push(stream, item);
}

/* --- graphs: what was captured, queued again by every launch */

int cuStreamBeginCapture_v2(void *stream, int mode) {
    (void)mode;
    NEED_CONTEXT();
    queue *q = stream;
    if (q->first) return fault(NOT_PERMITTED, "a capture begins with work in the stream");
    q->capturing = 1;
    return OK;
}
int cuStreamEndCapture(void *stream, void **graph) {
    NEED_CONTEXT();
    queue *q = stream, *made = malloc(sizeof *made);
    *made = *q;
    made->capturing = 0;
    memset(q, 0, sizeof *q);
    graphs++;
    *graph = made;
    return OK;
}
int cuGraphInstantiateWithFlags(void **runnable, void *graph, unsigned long long flags) {
    (void)flags;
    NEED_CONTEXT();
    graphs++;
    *runnable = graph;
    return OK;
}
int cuGraphLaunch(void *runnable, void *stream) {
    NEED_CONTEXT();
    for (work *w = ((queue *)runnable)->first; w; w = w->next) {
        if (w->what == TO_HOST && owner(w->to, w->size)) memset(w->to, 0xEE, w->size);
        push(stream, *w);
    }
    return OK;
}
int cuGraphExecDestroy(void *runnable) { (void)runnable; NEED_CONTEXT(); graphs--; return OK; }
int cuGraphDestroy(void *graph) { (void)graph; NEED_CONTEXT(); graphs--; return OK; }

/* --- how cuda-python finds the functions: the newest version of each that is here */

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    static const char *const endings[] = {"WithFlags", "_v4", "_v3", "_v2", ""};
    Dl_info self;
    dladdr((void *)cuInit, &self);
    void *library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    char full[128];
    *function = NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && !*function; i++) {
        snprintf(full, sizeof full, "%s%s", name, endings[i]);
        *function = dlsym(library, full);
    }
    dlclose(library);
    if (status) *status = *function ? 0 : 1;
    return *function ? OK : 500;
}
