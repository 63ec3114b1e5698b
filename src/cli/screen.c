// The terminal as a screen: see screen.h. Plain sequences that every terminal of today knows
// (ECMA-48, and xterm's for the other screen).
#include "cli/screen.h"

#include "base/utf8.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?7h\033[0m\033[?25h\033[?1049l"

// One screen a process: signals end it, and they know no context.
static struct {
    volatile sig_atomic_t is_taken;
    bool has_hooks; // atexit and the handlers are set
    struct termios before;
    int signal_fd, poll_fd;
    char keys[64]; // read and not taken
    size_t key_count;
} screen = {.signal_fd = -1, .poll_fd = -1};

// Signals that end a program that is broken; the terminal is given back before.
static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};

static void say(const char *text, size_t size)
{
    ssize_t written = write(STDOUT_FILENO, text, size);
    (void)written; // to a terminal that is gone
}

// Safe in a signal handler.
static void leave(void)
{
    if (screen.is_taken) {
        screen.is_taken = 0;
        say(LEAVE, sizeof LEAVE - 1);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen.before);
    }
}

static void crash(int number)
{
    leave();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int enter(struct gr_err *err)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &screen.before) != 0) {
        return gr_fail_errno(err, "ask the terminal how it is set");
    }
    raw = screen.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    screen.is_taken = 1; // before anything is changed
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0) {
        screen.is_taken = 0;
        return gr_fail_errno(err, "set the terminal");
    }
    say(ENTER, sizeof ENTER - 1);
    return 0;
}

static void hooks_set(void)
{
    if (!screen.has_hooks) {
        struct sigaction action = {.sa_handler = crash};
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
            (void)sigaction(crashes[i], &action, NULL);
        }
        (void)atexit(leave);
        screen.has_hooks = true;
    }
}

static void signals_of(sigset_t *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(set, numbers[i]);
    }
}

bool gr_screen_is_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

int gr_screen_open(int *ret_fd, struct gr_err *err)
{
    sigset_t set;
    signals_of(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    screen.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    screen.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event keys = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    struct epoll_event signals = {.events = EPOLLIN, .data.fd = screen.signal_fd};
    if (screen.signal_fd < 0 || screen.poll_fd < 0 ||
        epoll_ctl(screen.poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &keys) != 0 ||
        epoll_ctl(screen.poll_fd, EPOLL_CTL_ADD, screen.signal_fd, &signals) != 0) {
        int code = gr_fail_errno(err, "wait for keys and signals");
        gr_screen_close();
        return code;
    }
    hooks_set();
    int code = enter(err);
    if (code != 0) {
        gr_screen_close();
        return code;
    }
    *ret_fd = screen.poll_fd;
    return 0;
}

void gr_screen_close(void)
{
    leave();
    if (screen.signal_fd >= 0) {
        close(screen.signal_fd);
    }
    if (screen.poll_fd >= 0) {
        close(screen.poll_fd);
    }
    screen.signal_fd = screen.poll_fd = -1;
}

void gr_screen_size(size_t *ret_rows, size_t *ret_columns)
{
    struct winsize size = {0};
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *ret_rows = is_known && size.ws_row > 0 ? size.ws_row : 24;
    *ret_columns = is_known && size.ws_col > 0 ? size.ws_col : 80;
}

// Ends this program as the signal would have.
static void end_by(int number)
{
    sigset_t set;
    leave();
    sigemptyset(&set);
    sigaddset(&set, number);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

enum gr_screen_event gr_screen_signal(void)
{
    struct signalfd_siginfo info;
    enum gr_screen_event event = GR_SCREEN_NOTHING;
    struct gr_err ignored;
    while (read(screen.signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGWINCH:
            event = GR_SCREEN_RESIZED;
            break;
        case SIGTSTP:
            leave();
            (void)raise(SIGSTOP);
            if (enter(&ignored) != 0) {
                return GR_SCREEN_ENDED;
            }
            event = GR_SCREEN_RESIZED;
            break;
        case SIGINT:
            leave();
            return GR_SCREEN_ENDED;
        default:
            end_by((int)info.ssi_signo);
            return GR_SCREEN_ENDED;
        }
    }
    return event;
}

// ---- keys ---------------------------------------------------------------------------------------

static const struct {
    const char *text;
    int key;
} sequences[] = {
    {"\033[A", GR_KEY_UP},         {"\033OA", GR_KEY_UP},       {"\033[B", GR_KEY_DOWN},
    {"\033OB", GR_KEY_DOWN},       {"\033[C", GR_KEY_RIGHT},    {"\033OC", GR_KEY_RIGHT},
    {"\033[D", GR_KEY_LEFT},       {"\033OD", GR_KEY_LEFT},     {"\033[5~", GR_KEY_PAGE_UP},
    {"\033[6~", GR_KEY_PAGE_DOWN}, {"\033[H", GR_KEY_HOME},     {"\033OH", GR_KEY_HOME},
    {"\033[1~", GR_KEY_HOME},      {"\033[F", GR_KEY_END},      {"\033OF", GR_KEY_END},
    {"\033[4~", GR_KEY_END},       {"\033[Z", GR_KEY_BACK_TAB},
};

static void keys_drop(size_t count)
{
    screen.key_count -= count;
    memmove(screen.keys, screen.keys + count, screen.key_count);
}

// A sequence that begins with an escape. Those of ECMA-48 end with a byte from '@' to '~'.
static int escape_take(void)
{
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        size_t size = strlen(sequences[i].text);
        if (screen.key_count >= size && memcmp(screen.keys, sequences[i].text, size) == 0) {
            keys_drop(size);
            return sequences[i].key;
        }
    }
    if (screen.key_count < 2 || (screen.keys[1] != '[' && screen.keys[1] != 'O')) {
        keys_drop(1);
        return GR_KEY_ESCAPE;
    }
    size_t size = 2;
    while (size < screen.key_count && (screen.keys[size] < '@' || screen.keys[size] > '~')) {
        size++;
    }
    keys_drop(size < screen.key_count ? size + 1 : screen.key_count);
    return GR_KEY_OTHER;
}

int gr_screen_key(void)
{
    size_t room = sizeof screen.keys - screen.key_count;
    ssize_t size = room > 0 ? read(STDIN_FILENO, screen.keys + screen.key_count, room) : 0;
    screen.key_count += size > 0 ? (size_t)size : 0;
    if (screen.key_count == 0) {
        return GR_KEY_NONE;
    }
    if (screen.keys[0] == '\033') {
        return escape_take();
    }
    uint32_t point = GR_KEY_OTHER;
    size_t length = gr_utf8_read(screen.keys, screen.key_count, &point);
    keys_drop(length == 0 ? 1 : length);
    return length == 0 || point == 0 ? GR_KEY_OTHER : (int)point;
}
