// The whole terminal for one program: its other screen, keys as they are pressed. However the
// program ends, short of KILL, the terminal is given back as it was.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

// Keys that are no characters.
enum gr_screen_key {
    GR_KEY_NONE = 0, // none was pressed
    GR_KEY_UP = 0x110000,
    GR_KEY_DOWN,
    GR_KEY_LEFT,
    GR_KEY_RIGHT,
    GR_KEY_PAGE_UP,
    GR_KEY_PAGE_DOWN,
    GR_KEY_HOME,
    GR_KEY_END,
    GR_KEY_BACK_TAB,
    GR_KEY_ESCAPE, // pressed alone
    GR_KEY_OTHER,  // a key that nothing is known of
};

// What happened to the program while it had the screen.
enum gr_screen_event {
    GR_SCREEN_NOTHING,
    GR_SCREEN_RESIZED, // or shown again after Ctrl-Z: to be drawn anew
    GR_SCREEN_ENDED,   // Ctrl-C, or somebody asked the program to end; the screen was given back
};

// Whether standard input and output are a terminal that can move its cursor.
bool gr_screen_is_possible(void);
// Takes the screen. *ret_fd is readable when a key was pressed or a signal came. -errno with a
// text.
int gr_screen_open(int *ret_fd, struct gr_err *err);
// Gives it back. Does nothing if it was not taken.
void gr_screen_close(void);
// Its size now; 24 x 80 if the terminal does not say.
void gr_screen_size(size_t *ret_rows, size_t *ret_columns);
// Takes in a signal, if one came. Ctrl-Z stops the program here, and it goes on here. Who was asked
// to end by a signal other than Ctrl-C is ended by that signal here.
enum gr_screen_event gr_screen_signal(void);
// The next key: a character's code point, or an enum gr_screen_key. Never waits.
int gr_screen_key(void);
