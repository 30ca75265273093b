/*
 * rawsock: the Linux socket calls that Node does not have, on plain Node-API. It knows no protocol: addresses, options
 * and filters arrive as bytes that TypeScript made, and datagrams leave as bytes. Beside them, the call by which a thread
 * that must not be late comes before others.
 *
 * - Every descriptor is made here, non-blocking and close-on-exec, and belongs to the environment (main thread or
 *   worker) that made it. Any other number is EBADF, so no bug in JavaScript can reach a file or a pipe of the process.
 *   When the environment ends, all of its sockets are closed.
 * - Every length is checked. Bad arguments throw a TypeError, a refusal of the kernel throws an Error whose `code` is
 *   the name of the errno.
 * - Receiving: libuv watches the socket (uv_poll_t), recvmmsg(2) fills the slots of one ArrayBuffer, and one call of
 *   JavaScript handles the batch. What a slot holds is drawn at `Slot`.
 *
 * libuv is not part of Node-API's promise and its header is not in node-api-headers. The functions used are declared
 * here, none of its structures is: a uv_poll_t is uv_handle_size(UV_POLL) bytes, and that number is checked at load.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <node_api.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- libuv, as far as it is used ---- */
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t; typedef struct uv_poll_s uv_poll_t;
enum { UV_POLL = 8, UV_READABLE = 1 };
extern size_t uv_handle_size(int type);
extern void uv_handle_set_data(uv_handle_t *handle, void *data);
extern void *uv_handle_get_data(const uv_handle_t *handle);
extern int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);
extern int uv_poll_start(uv_poll_t *poll, int events, void (*callback)(uv_poll_t *, int status, int events));
extern void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *));
extern const char *uv_handle_type_name(int type), *uv_err_name(int error), *uv_strerror(int error);

/* ---- what an environment owns ---- */
enum { MAX_SLOTS = 1024, MAX_DATA = 1 << 16, MAX_CONTROL = 1 << 10, MAX_OPTION = 512, NAME_SIZE = 32, ROUNDS = 4 };

/* A slot of the receive buffer: this head, then `controlSize` octets of control messages, then `dataSize` of data. */
typedef struct {
  uint32_t length, nameLength, controlLength, flags;
  uint8_t name[NAME_SIZE];
} Slot;

typedef struct Socket {
  struct Socket *next;
  struct Addon *addon;
  int fd;
  uv_poll_t *poll; /* NULL until JavaScript receives, as all below */
  napi_ref callback, buffer;
  uint32_t slots, controlSize, dataSize;
  struct mmsghdr *messages;
  struct iovec *vectors; /* in the same block as the messages */
} Socket;

typedef struct Addon {
  napi_env env;
  uv_loop_t *loop;
  Socket *sockets;
  uint32_t closing; /* polls whose close callback is still to come */
  bool ending;
  napi_async_cleanup_hook_handle hook;
} Addon;

static Addon *addonOf(napi_env env) {
  void *addon = NULL;
  napi_get_instance_data(env, &addon);
  return addon;
}

/* ---- errors and arguments ---- */
static napi_value throwErrno(napi_env env, int error, const char *syscall) {
  char text[160];
  snprintf(text, sizeof text, "%s: %s (%s)", syscall, uv_strerror(-error), uv_err_name(-error));
  napi_throw_error(env, uv_err_name(-error), text);
  return NULL;
}

static napi_value throwUsage(napi_env env, const char *usage) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", usage);
  return NULL;
}

/* A whole number that an int can hold; not 1.5, not NaN, not "7". */
static bool getInt(napi_env env, napi_value value, int *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= INT32_MIN && number <= INT32_MAX) || number != (double)(int)number) return false;
  *out = (int)number;
  return true;
}

static bool getBytes(napi_env env, napi_value value, uint8_t **bytes, size_t *length) {
  bool is = false;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  if (napi_get_typedarray_info(env, value, &type, length, (void **)bytes, NULL, NULL) != napi_ok) return false;
  return type == napi_uint8_array && (*bytes || *length == 0);
}

static napi_value newInt(napi_env env, int value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

/* The arguments of a call, the first naming one of this environment's sockets; throws where they do not. */
static Socket *getSocket(napi_env env, napi_callback_info info, const char *usage, size_t count, napi_value *values) {
  int fd;
  napi_get_cb_info(env, info, &count, values, NULL, NULL); /* what was not given is undefined */
  if (!getInt(env, values[0], &fd)) {
    throwUsage(env, usage);
    return NULL;
  }
  Socket *found = addonOf(env)->sockets;
  while (found && found->fd != fd) found = found->next;
  if (!found) throwErrno(env, EBADF, "rawsock");
  return found;
}

/* Opens every function that works on a socket. */
#define ON_SOCKET(count, text)                                                  \
  static const char usage[] = text;                                             \
  napi_value arguments[count];                                                  \
  Socket *socket = getSocket(env, info, usage, count, arguments);               \
  if (!socket) return NULL

/* ---- open and close ---- */
static napi_value openSocket(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  int domain, type, protocol;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (!getInt(env, arguments[0], &domain) || !getInt(env, arguments[1], &type) || !getInt(env, arguments[2], &protocol))
    return throwUsage(env, "socket(domain: number, type: number, protocol: number)");
  int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return throwErrno(env, errno, "socket");
  Socket *opened = calloc(1, sizeof *opened);
  if (!opened) {
    close(fd);
    return throwErrno(env, ENOMEM, "socket");
  }
  opened->fd = fd;
  opened->addon = addonOf(env);
  opened->next = opened->addon->sockets;
  opened->addon->sockets = opened;
  return newInt(env, fd);
}

static void finishEnding(Addon *addon) {
  if (!addon->ending || addon->closing > 0) return;
  napi_remove_async_cleanup_hook(addon->hook);
  free(addon);
}

static void pollClosed(uv_handle_t *handle) {
  Socket *socket = uv_handle_get_data(handle);
  Addon *addon = socket->addon;
  free(socket->messages);
  free(socket->poll);
  free(socket);
  addon->closing--;
  finishEnding(addon);
}

/* Takes the socket off the list and closes it; its memory lives until libuv has let go of the poll. */
static void closeOne(Socket *socket) {
  Addon *addon = socket->addon;
  Socket **link = &addon->sockets;
  while (*link != socket) link = &(*link)->next;
  *link = socket->next;
  if (socket->callback) napi_delete_reference(addon->env, socket->callback);
  if (socket->buffer) napi_delete_reference(addon->env, socket->buffer);
  int fd = socket->fd;
  socket->fd = -1;
  if (socket->poll) {
    addon->closing++;
    uv_close((uv_handle_t *)socket->poll, pollClosed); /* leaves epoll now, so the descriptor may go */
  } else {
    free(socket);
  }
  close(fd);
}

static napi_value closeSocket(napi_env env, napi_callback_info info) {
  ON_SOCKET(1, "close(fd: number)");
  closeOne(socket);
  return NULL;
}

static void environmentEnds(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  Addon *addon = data;
  addon->ending = true;
  while (addon->sockets) closeOne(addon->sockets);
  finishEnding(addon);
}

/* Another descriptor of the same socket, for others to own and to close. */
static napi_value duplicate(napi_env env, napi_callback_info info) {
  ON_SOCKET(1, "duplicate(fd: number)");
  int copy = fcntl(socket->fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? throwErrno(env, errno, "duplicate") : newInt(env, copy);
}

/* ---- bind, options, filter, send ---- */
static napi_value bindSocket(napi_env env, napi_callback_info info) {
  ON_SOCKET(2, "bind(fd: number, sockaddr: Uint8Array)");
  uint8_t *address;
  size_t length;
  if (!getBytes(env, arguments[1], &address, &length)) return throwUsage(env, usage);
  if (bind(socket->fd, (void *)address, (socklen_t)length) < 0) return throwErrno(env, errno, "bind");
  return NULL;
}

static napi_value setOption(napi_env env, napi_callback_info info) {
  ON_SOCKET(4, "setsockopt(fd: number, level: number, name: number, value: Uint8Array)");
  int level, name;
  uint8_t *value;
  size_t length;
  if (!getInt(env, arguments[1], &level) || !getInt(env, arguments[2], &name) ||
      !getBytes(env, arguments[3], &value, &length))
    return throwUsage(env, usage);
  /* These take a pointer: bytes from JavaScript must not become one. */
  if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF))
    return throwUsage(env, "a filter is attached with attachFilter");
  if (setsockopt(socket->fd, level, name, value, (socklen_t)length) < 0) return throwErrno(env, errno, "setsockopt");
  return NULL;
}

static napi_value getOption(napi_env env, napi_callback_info info) {
  ON_SOCKET(3, "getsockopt(fd: number, level: number, name: number)");
  napi_value copy = NULL;
  int level, name;
  uint8_t value[MAX_OPTION];
  socklen_t length = sizeof value;
  if (!getInt(env, arguments[1], &level) || !getInt(env, arguments[2], &name)) return throwUsage(env, usage);
  if (getsockopt(socket->fd, level, name, value, &length) < 0) return throwErrno(env, errno, "getsockopt");
  napi_create_buffer_copy(env, length, value, NULL, &copy);
  return copy;
}

static napi_value attachFilter(napi_env env, napi_callback_info info) {
  ON_SOCKET(2, "attachFilter(fd: number, program: Uint8Array), the program being struct sock_filter[]");
  uint8_t *program;
  size_t length;
  if (!getBytes(env, arguments[1], &program, &length) || length % sizeof(struct sock_filter) ||
      length / sizeof(struct sock_filter) > BPF_MAXINSNS)
    return throwUsage(env, usage);
  struct sock_fprog filter = {.len = (unsigned short)(length / sizeof(struct sock_filter)), .filter = (void *)program};
  if (setsockopt(socket->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0)
    return throwErrno(env, errno, "setsockopt");
  return NULL;
}

/* False where the queue is full (EAGAIN, ENOBUFS): that is the network's everyday life, not an error. */
static napi_value sendDatagram(napi_env env, napi_callback_info info) {
  ON_SOCKET(3, "send(fd: number, datagram: Uint8Array, to: Uint8Array)");
  napi_value sent = NULL;
  uint8_t *datagram, *to;
  size_t length, toLength;
  if (!getBytes(env, arguments[1], &datagram, &length) || !getBytes(env, arguments[2], &to, &toLength))
    return throwUsage(env, usage);
  ssize_t result;
  do result = sendto(socket->fd, datagram, length, MSG_NOSIGNAL, (void *)to, (socklen_t)toLength);
  while (result < 0 && errno == EINTR);
  if (result < 0 && errno != EAGAIN && errno != ENOBUFS) return throwErrno(env, errno, "sendto");
  napi_get_boolean(env, result >= 0, &sent);
  return sent;
}

/* ---- receive ---- */
static size_t slotSize(const Socket *socket) { return sizeof(Slot) + socket->controlSize + socket->dataSize; }

/* Fills the slots from the socket: how many, or a negative errno. */
static int receiveBatch(Socket *socket, uint8_t *base) {
  int count;
  for (uint32_t index = 0; index < socket->slots; index++) {
    uint8_t *slot = base + index * slotSize(socket), *control = slot + sizeof(Slot);
    socket->vectors[index] = (struct iovec){control + socket->controlSize, socket->dataSize};
    socket->messages[index].msg_hdr = (struct msghdr){
        .msg_name = ((Slot *)slot)->name, .msg_namelen = NAME_SIZE, .msg_iov = &socket->vectors[index], .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = socket->controlSize};
  }
  do count = recvmmsg(socket->fd, socket->messages, socket->slots, MSG_DONTWAIT, NULL);
  while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  for (int index = 0; index < count; index++) {
    Slot *slot = (Slot *)(base + (size_t)index * slotSize(socket));
    const struct msghdr *header = &socket->messages[index].msg_hdr;
    slot->length = socket->messages[index].msg_len;
    slot->nameLength = header->msg_namelen;
    slot->controlLength = (uint32_t)header->msg_controllen;
    slot->flags = (uint32_t)header->msg_flags;
  }
  return count;
}

static void pollReadable(uv_poll_t *poll, int status, int events) {
  (void)events;
  Socket *socket = uv_handle_get_data((uv_handle_t *)poll);
  napi_env env = socket->addon->env;
  napi_handle_scope scope;
  napi_value buffer, callback, receiver, count;
  /* An error waits on the socket (a link went down, netlink lost messages). libuv has stopped the poll and calls it
   * EBADF; recvmmsg knows its real name and clears it. */
  if (status < 0) uv_poll_start(poll, UV_READABLE, pollReadable);
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_get_reference_value(env, socket->buffer, &buffer);
  napi_get_reference_value(env, socket->callback, &callback);
  napi_get_global(env, &receiver);
  /* A few rounds and no more, so that a flood leaves the loop's other work some time; epoll will say it again. */
  for (int round = 0, received = 0; round < ROUNDS && socket->fd >= 0; round++) {
    void *base = NULL;
    size_t length = 0;
    /* Asked for each time: JavaScript may have transferred the buffer away. */
    napi_get_arraybuffer_info(env, buffer, &base, &length);
    received = length >= socket->slots * slotSize(socket) ? receiveBatch(socket, base) : -EFAULT;
    if (received == -EAGAIN) break;
    count = newInt(env, received);
    /* As for any callback of Node's own, microtasks and process.nextTick run behind it. */
    if (napi_make_callback(env, NULL, receiver, callback, 1, &count, NULL) == napi_pending_exception) {
      napi_value exception;
      napi_get_and_clear_last_exception(env, &exception);
      napi_fatal_exception(env, exception);
    }
    if (received < (int)socket->slots) break;
  }
  napi_close_handle_scope(env, scope);
}

static bool getSize(napi_env env, napi_value value, int multipleOf, int most, uint32_t *out) {
  int given;
  if (!getInt(env, value, &given) || given < 0 || given > most || given % multipleOf) return false;
  *out = (uint32_t)given;
  return true;
}

/* The buffer whose slots the callback finds filled: the first `count` of them, or none and a negative errno. */
static napi_value receive(napi_env env, napi_callback_info info) {
  ON_SOCKET(5, "receive(fd: number, slots: 1..1024, dataSize: a multiple of 8 up to 65536, "
               "controlSize: a multiple of 8 up to 1024, callback: (count: number) => void)");
  napi_value buffer;
  napi_valuetype type;
  void *base;
  uint32_t slots, dataSize, controlSize;
  if (!getSize(env, arguments[1], 1, MAX_SLOTS, &slots) || !getSize(env, arguments[2], 8, MAX_DATA, &dataSize) ||
      !getSize(env, arguments[3], 8, MAX_CONTROL, &controlSize) || slots == 0 || dataSize == 0 ||
      napi_typeof(env, arguments[4], &type) != napi_ok || type != napi_function)
    return throwUsage(env, usage);
  if (socket->poll) return throwErrno(env, EALREADY, "receive");
  uv_poll_t *poll = calloc(1, uv_handle_size(UV_POLL));
  struct mmsghdr *messages = calloc(slots, sizeof *messages + sizeof(struct iovec));
  int error = poll && messages ? uv_poll_init(socket->addon->loop, poll, socket->fd) : -ENOMEM;
  if (error) return free(poll), free(messages), throwErrno(env, -error, "receive");
  /* From here on closing the socket undoes everything. */
  uv_handle_set_data((uv_handle_t *)poll, socket);
  socket->poll = poll;
  socket->messages = messages;
  socket->vectors = (struct iovec *)(messages + slots);
  socket->slots = slots;
  socket->dataSize = dataSize;
  socket->controlSize = controlSize;
  if (napi_create_arraybuffer(env, slots * slotSize(socket), &base, &buffer) != napi_ok ||
      napi_create_reference(env, buffer, 1, &socket->buffer) != napi_ok ||
      napi_create_reference(env, arguments[4], 1, &socket->callback) != napi_ok ||
      uv_poll_start(poll, UV_READABLE, pollReadable) != 0) {
    closeOne(socket);
    return throwErrno(env, ENOMEM, "receive");
  }
  return buffer;
}

/* How the kernel schedules the calling thread; asked of it directly, since musl's own function refuses. */
static napi_value schedule(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  int policy, priority;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (!getInt(env, arguments[0], &policy) || !getInt(env, arguments[1], &priority))
    return throwUsage(env, "schedule(policy: number, priority: number)");
  const struct sched_param parameters = {.sched_priority = priority};
  if (syscall(SYS_sched_setscheduler, 0, policy, &parameters) != 0) return throwErrno(env, errno, "sched_setscheduler");
  return NULL;
}

NAPI_MODULE_INIT() {
  const char *name = uv_handle_type_name(UV_POLL);
  if (!name || strcmp(name, "poll") != 0) {
    napi_throw_error(env, "ERR_RAWSOCK_ABI", "this Node's libuv numbers its handles otherwise than rawsock.c knows");
    return NULL;
  }
  Addon *addon = calloc(1, sizeof *addon);
  if (!addon) return throwErrno(env, ENOMEM, "rawsock");
  addon->env = env;
  napi_get_uv_event_loop(env, &addon->loop);
  napi_set_instance_data(env, addon, NULL, NULL);
  napi_add_async_cleanup_hook(env, environmentEnds, addon, &addon->hook);
#define CALL(name, function) {name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL}
  const napi_property_descriptor calls[] = {
      CALL("socket", openSocket),    CALL("close", closeSocket),         CALL("bind", bindSocket),
      CALL("setsockopt", setOption), CALL("getsockopt", getOption),      CALL("send", sendDatagram),
      CALL("duplicate", duplicate),  CALL("receive", receive),           CALL("attachFilter", attachFilter),
      CALL("schedule", schedule),
  };
  napi_define_properties(env, exports, sizeof calls / sizeof *calls, calls);
  return exports;
}
