// Fuzzes the documents of an image: any bytes as an index, a configuration, a bundle's config.json
// or a CDI document either fail with a text or give texts that are bounded and well formed.
#include "fuzz.h"

#include "engine/local/cdi.h"
#include "engine/local/image.h"
#include "engine/local/unpack.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void check_image(const struct gr_image *image)
{
    assert(json_is_array(image->env));
    for (size_t i = 0; i < json_array_size(image->env); i++) {
        const char *text = json_string_value(json_array_get(image->env, i));
        assert(text != NULL && text[0] != '=' && strchr(text, '=') != NULL);
    }
    assert(json_string_value(image->cwd)[0] == '/');
}

static void try_bundle(const json_t *root)
{
    struct gr_image image = {.root = -1, .lock = -1};
    struct gr_err err = {0};
    const char *rootfs = NULL;
    if (gr_image_bundle_read(root, &image, &rootfs, &err) == 0) {
        check_image(&image);
        assert(rootfs[0] != '\0');
    } else {
        assert(err.text[0] != '\0');
    }
    gr_image_done(&image);
}

static void try_config(const json_t *root)
{
    struct gr_image image = {.root = -1, .lock = -1};
    struct gr_err err = {0};
    uint8_t ids[2 * GR_SHA256_SIZE];
    for (size_t count = 1; count <= 2; count++) {
        if (gr_image_config_read(root, count, &image, ids, &err) == 0) {
            check_image(&image);
        } else {
            assert(err.text[0] != '\0');
        }
    }
    gr_image_done(&image);
}

static void try_index(const json_t *root)
{
    struct gr_err err = {0};
    const json_t *chosen = gr_image_choose(root, "", &err);
    assert(chosen != NULL || err.text[0] != '\0');
    gr_err_init(&err);
    chosen = gr_image_choose(root, "one", &err);
    assert(chosen != NULL || err.text[0] != '\0');
}

static void try_cdi(const json_t *root)
{
    struct gr_err err = {0};
    json_t *config = json_object();
    if (gr_cdi_apply(root, config, &err) < 0) {
        assert(strncmp(err.text, "CDI: ", 5) == 0);
    }
    json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_err err = {0};
    json_t *root = gr_image_json(size == 0 ? "" : (const char *)data, size, "input", &err);
    if (root == NULL) {
        assert(strncmp(err.text, "input: ", 7) == 0);
        return 0;
    }
    try_index(root);
    try_config(root);
    try_bundle(root);
    try_cdi(root);
    json_decref(root);
    return 0;
}
