// Tests of images: layouts and bundles made by tests/engine/make_image.py, good and bad ones.
#include "engine/local/image.h"

#include "engine/local/tree.h"
#include "engine/local/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/granary-image-XXXXXX";
static int cache = -1;

static int make_images(void **state)
{
    char command[1024];
    char path[64];
    (void)state;
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    snprintf(command, sizeof(command), "python3 " GR_SOURCE_ROOT "/tests/engine/make_image.py %s/i",
             root);
    snprintf(path, sizeof(path), "%s/cache", root);
    if (system(command) != 0 || mkdir(path, 0700) != 0) {
        return -1;
    }
    cache = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return cache >= 0 ? 0 : -1;
}

static int remove_images(void **state)
{
    (void)state;
    close(cache);
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = gr_tree_remove(tmp, root + strlen("/tmp/"));
    close(tmp);
    return code;
}

static int open_image(const char *name, struct gr_image *image, struct gr_err *err)
{
    char path[256];
    *image = (struct gr_image){.root = -1, .lock = -1};
    gr_err_init(err);
    snprintf(path, sizeof(path), "%s/i/%s", root, name);
    return gr_image_open(path, cache, true, image, err);
}

// The text of a file in the image; "" if it is not there.
static const char *content(const struct gr_image *image, const char *path)
{
    static char text[64];
    int fd = openat(image->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

static bool is_there(const struct gr_image *image, const char *path)
{
    return faccessat(image->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void good_images_are_unpacked_and_kept(void **state)
{
    static const char *const names[] = {"plain", "zipped", "plain"};
    struct stat st, first = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct gr_image image;
        struct gr_err err;
        int code = open_image(names[i], &image, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(code, 0);
        assert_int_equal(fstatat(image.root, "bin/busybox", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755); // not set-uid any more
        assert_int_equal(st.st_uid, geteuid());
        assert_string_equal(json_string_value(image.cwd), "/home");
        assert_int_equal(json_array_size(image.env), 3);
        assert_true(image.lock >= 0);
        if (i == 0) {
            first = st;
        } else if (i == 2) {
            assert_int_equal(st.st_ino, first.st_ino); // the one that was kept
        }
        gr_image_done(&image);
    }
}

static void layers_lie_on_each_other(void **state)
{
    struct gr_image image;
    struct gr_err err;
    struct stat st;
    char name[400];
    (void)state;
    int code = open_image("layers", &image, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    assert_false(is_there(&image, "data/hidden"));
    assert_false(is_there(&image, "data/.wh.hidden"));
    assert_false(is_there(&image, "gone"));
    assert_string_equal(content(&image, "data/kept/old"), "old");
    assert_string_equal(content(&image, "data/replaced"), "new");
    assert_string_equal(content(&image, "data/hard"), "new");
    assert_int_equal(fstatat(image.root, "data/hard", &st, 0), 0);
    assert_int_equal(st.st_nlink, 2);
    // A link of the image leads as in the image, however it is written.
    assert_string_equal(content(&image, "data/through"), "t");
    assert_string_equal(content(&image, "etc/inside"), "not the machine's");
    assert_int_not_equal(access("/etc/inside", F_OK), 0);
    assert_false(is_there(&image, "opaque/below"));
    assert_string_equal(content(&image, "opaque/above"), "2");
    memset(name, 'a', 150);
    name[150] = '/';
    memset(name + 151, 'b', 200);
    name[351] = '\0';
    assert_string_equal(content(&image, name), "long");
    gr_image_done(&image);
}

static void a_tag_chooses_among_images(void **state)
{
    struct gr_image image;
    struct gr_err err;
    (void)state;
    assert_int_equal(open_image("tags:two", &image, &err), 0);
    assert_string_equal(content(&image, "etc/two"), "2\n");
    gr_image_done(&image);
    assert_int_equal(open_image("tags:one", &image, &err), 0);
    assert_false(is_there(&image, "etc/two"));
    gr_image_done(&image);
    assert_int_equal(open_image("tags", &image, &err), -EINVAL);
    assert_non_null(strstr(err.text, "PATH:TAG"));
    assert_int_equal(open_image("tags:three", &image, &err), -ENOENT);
}

static void of_a_bundle_little_is_believed(void **state)
{
    struct gr_image image;
    struct gr_err err;
    (void)state;
    assert_int_equal(open_image("bundle", &image, &err), 0);
    assert_true(is_there(&image, "bin/busybox"));
    assert_int_equal(json_array_size(image.env), 2);
    assert_int_equal(image.lock, -1);
    gr_image_done(&image);
}

static void wrong_images_are_refused_and_leave_nothing(void **state)
{
    static const struct {
        const char *name, *says;
    } cases[] = {
        {"absolute", "absolute"},
        {"upwards", "upwards"},
        {"hard-link-out", "upwards"},
        {"hard-link-absolute", "absolute"},
        {"hard-link-to-nothing", "no/such"},
        {"hard-link-to-folder", "folder"},
        {"device", "device"},
        {"whiteout-upwards", "hides nothing"},
        {"file-as-folder", "x/y"},
        {"wrong-diff-id", "diff_ids"},
        {"no-digest", "sha256"},
        {"too-few-diff-ids", "2 layers and 1 diff_ids"},
        {"unknown-type", "zstd"},
        {"cut-off", "cut off"},
        {"no-end", "no end"},
        {"no-tar", "wrong sum"},
        {"wrong-env", "NAME=VALUE"},
        {"relative-cwd", "not absolute"},
        {"two-images", "2 images"},
        {"no-images", "no image"},
        {"damaged-blob", "digest"},
        {"damaged-gzip", "damaged"},
        {"damaged-manifest", "digest"},
        {"missing-blob", "No such file"},
        {"doubled-key", "duplicate"},
        {"nothing", "oci-layout"},
        {"not-there", "No such file"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gr_image image;
        struct gr_err err;
        int code = open_image(cases[i].name, &image, &err);
        if (code >= 0 || strstr(err.text, cases[i].says) == NULL) {
            fail_msg("%s: %d, \"%s\" does not say \"%s\"", cases[i].name, code, err.text,
                     cases[i].says);
        }
    }
    char command[256];
    snprintf(command, sizeof(command),
             "! ls %s/cache | grep -q new && ! find %s -name 'granary-escaped*' | grep -q . && "
             "test ! -e /tmp/granary-escaped",
             root, root);
    assert_int_equal(system(command), 0);
}

static void an_image_in_use_is_kept_and_others_make_room(void **state)
{
    struct gr_image used, image;
    struct gr_err err;
    char path[256], name[80];
    struct stat st;
    (void)state;
    assert_int_equal(open_image("tags:one", &used, &err), 0);
    for (int i = 0; i < GR_IMAGES_KEPT + 4; i++) { // younger than any other
        snprintf(name, sizeof(name), "%064d", i);
        assert_int_equal(mkdirat(cache, name, 0700), 0);
    }
    snprintf(path, sizeof(path), "%s/cache", root);
    assert_int_equal(open_image("plain", &image, &err), 0);
    gr_image_done(&image);
    int left = 0;
    for (int i = 0; i < GR_IMAGES_KEPT + 4; i++) {
        snprintf(name, sizeof(name), "%064d", i);
        left += faccessat(cache, name, F_OK, 0) == 0;
    }
    assert_true(left < GR_IMAGES_KEPT);
    assert_int_equal(fstatat(used.root, "bin/busybox", &st, 0), 0);
    gr_image_done(&used);
}

static void digests_are_read_strictly(void **state)
{
    uint8_t digest[GR_SHA256_SIZE];
    (void)state;
    const char *good = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_int_equal(gr_sha256_parse(good, digest), 0);
    assert_true(gr_sha256_is("", 0, digest));
    assert_false(gr_sha256_is("x", 1, digest));
    assert_int_equal(gr_sha256_parse(good + 1, digest), -EINVAL);
    assert_int_equal(gr_sha256_parse("sha256:E3", digest), -EINVAL);
    assert_int_equal(gr_sha256_parse("sha256:../../../../../../etc/passwd/aaaaaaaaaaaaaaaaaaaaaaa"
                                     "aaaaaaaaaaaaaa",
                                     digest),
                     -EINVAL);
}

static void a_tree_of_any_depth_is_removed(void **state)
{
    (void)state;
    char name[] = "deep";
    int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int at = fcntl(top, F_DUPFD_CLOEXEC, 0);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(mkdirat(at, name, 0700), 0);
        int below = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(below >= 0);
        assert_int_equal(symlinkat("/etc", below, "etc"), 0);
        if (i == 700) {
            assert_int_equal(fchmod(at, 0), 0); // its owner had no rights in it
        }
        close(at);
        at = below;
    }
    close(at);
    assert_int_equal(gr_tree_remove(top, "deep"), 0);
    assert_int_equal(gr_tree_remove(top, "deep"), 0); // nothing: fine
    assert_int_not_equal(faccessat(top, "deep", F_OK, 0), 0);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    close(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_images_are_unpacked_and_kept),
        cmocka_unit_test(layers_lie_on_each_other),
        cmocka_unit_test(a_tag_chooses_among_images),
        cmocka_unit_test(of_a_bundle_little_is_believed),
        cmocka_unit_test(wrong_images_are_refused_and_leave_nothing),
        cmocka_unit_test(an_image_in_use_is_kept_and_others_make_room),
        cmocka_unit_test(digests_are_read_strictly),
        cmocka_unit_test(a_tree_of_any_depth_is_removed),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
