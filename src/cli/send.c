// Sending jobs: see send.h.
#include "cli/send.h"

#include "base/json.h"
#include "cli/reference.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int send_one(const struct gr_cli_ask *ask, struct gr_cli_remote *remote, const json_t *body,
                    const char *key, bool dry_run, struct gr_cli_sent *sent, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *answer = NULL;
    int64_t id;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_query(&path, "dry_run", dry_run ? "true" : NULL);
    gr_client_path_query(&path, "now", ask->now ? "true" : NULL);
    int code = gr_client_post(remote->client, &path, body, key, &answer, err);
    if (code < 0) {
        return code;
    }
    if (!dry_run && (!gr_cli_get_int(answer, "id", &id) || id <= 0)) {
        json_decref(answer);
        return gr_fail(err, -EPROTO, "%s: the reply names no job", gr_client_where(remote->client));
    }
    id = dry_run ? 0 : id;
    *sent = (struct gr_cli_sent){
        .first = (uint64_t)id,
        .last = (uint64_t)gr_cli_get_int_or(answer, "last", id),
        .sequence = (uint64_t)gr_cli_get_int_or(answer, "sequence", 0),
        .answer = answer,
    };
    const char *name = gr_cli_get_text(body, "name", "");
    return gr_json_set_text(answer, "name", gr_slice_of(name)) < 0
               ? gr_fail(err, -ENOMEM, "not enough memory for a job")
               : 0;
}

static int send_all(const struct gr_cli_ask *ask, struct gr_cli_asked *asked,
                    struct gr_cli_remote *remote, const char *key, bool dry_run,
                    struct gr_cli_sent *sent, size_t *count, struct gr_err *err)
{
    uint64_t *ids = calloc(asked->file.count, sizeof *ids);
    int code = ids == NULL ? gr_fail(err, -ENOMEM, "not enough memory for jobs") : 0;
    for (size_t i = 0; code == 0 && i < asked->file.count; i++) {
        char numbered[GR_CLIENT_KEY_SIZE];
        json_t *body = NULL;
        code = gr_cli_ask_body(ask, asked, i, dry_run ? NULL : ids, remote->client, &body, err);
        if (code == 0 && key != NULL && asked->file.count > 1) {
            int wrote = snprintf(numbered, sizeof numbered, "%s/%zu", key, i + 1);
            code = (size_t)wrote >= sizeof numbered
                       ? gr_fail(err, -EINVAL, "--key: is too long for several jobs")
                       : 0;
        }
        if (code == 0) {
            const char *own = key != NULL && asked->file.count > 1 ? numbered : key;
            code = send_one(ask, remote, body, own, dry_run, &sent[i], err);
        }
        json_decref(body);
        if (code == 0) {
            ids[i] = sent[i].first;
            *count = i + 1;
        }
    }
    free(ids);
    return code;
}

int gr_cli_send(const struct gr_cli_ask *ask, struct gr_cli_remote *remote, const char *key,
                bool dry_run, struct gr_cli_sent **ret_sent, size_t *ret_count, struct gr_err *err)
{
    struct gr_cli_asked asked;
    *ret_sent = NULL;
    *ret_count = 0;
    if (key != NULL && !gr_client_key_is_good(key)) {
        return gr_fail(err, -EINVAL, "--key: expected 1 to 128 printable characters");
    }
    int code = gr_cli_ask_read(ask, &asked, err);
    if (code < 0) {
        return code;
    }
    *ret_sent = calloc(asked.file.count, sizeof **ret_sent);
    code = *ret_sent == NULL
               ? gr_fail(err, -ENOMEM, "not enough memory for jobs")
               : send_all(ask, &asked, remote, key, dry_run, *ret_sent, ret_count, err);
    gr_cli_asked_done(&asked);
    if (*ret_count > 0 && !dry_run) {
        gr_cli_last_set(remote->client, (*ret_sent)[*ret_count - 1].first);
    }
    return code;
}

void gr_cli_sent_done(struct gr_cli_sent *sent, size_t count)
{
    for (size_t i = 0; sent != NULL && i < count; i++) {
        json_decref(sent[i].answer);
    }
    free(sent);
}
