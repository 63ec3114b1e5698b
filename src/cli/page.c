// Pages for people: see page.h.
#include "cli/page.h"

#include "cli/units.h"

#include <stdarg.h>
#include <string.h>

enum { LABEL = 14, TEXT_SIZE = 1024, LINES_SHOWN = 60 };

struct gr_cli_page gr_cli_page_of(const struct gr_terminal *terminal)
{
    size_t columns = terminal->column_count;
    return (struct gr_cli_page){terminal, columns > GR_TEXT_COLUMNS ? GR_TEXT_COLUMNS : columns};
}

void gr_cli_page_put(const struct gr_cli_page *page, const char *label, const char *text)
{
    if (text[0] != '\0') {
        char clean[TEXT_SIZE];
        fprintf(page->terminal->file, "%s%-*s%s", gr_terminal_style(page->terminal, GR_STYLE_FAINT),
                LABEL, label, gr_terminal_style(page->terminal, GR_STYLE_PLAIN));
        gr_text_wrap(page->terminal->file, gr_cli_clean(text, clean, sizeof clean), LABEL,
                     page->width, LABEL);
    }
}

void gr_cli_page_put_lines(const struct gr_cli_page *page, const char *label, const char *text)
{
    size_t count = 0;
    while (text[0] != '\0' && count < LINES_SHOWN) {
        char line[TEXT_SIZE];
        char clean[TEXT_SIZE];
        size_t size = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(size < TEXT_SIZE ? size : TEXT_SIZE), text);
        fprintf(page->terminal->file, "%s%-*s%s%s\n",
                gr_terminal_style(page->terminal, GR_STYLE_FAINT), LABEL, count == 0 ? label : "",
                gr_terminal_style(page->terminal, GR_STYLE_PLAIN),
                gr_cli_clean(line, clean, sizeof clean));
        text += text[size] == '\n' ? size + 1 : size;
        count++;
    }
    if (text[0] != '\0') {
        gr_cli_page_put(page, "", "and more lines; -o json shows them");
    }
}

void gr_cli_page_putf(const struct gr_cli_page *page, const char *label, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    gr_cli_page_put(page, label, text);
}
