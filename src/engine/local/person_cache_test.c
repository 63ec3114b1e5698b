// Tests of persons: looked up, on their way, and kept for a while.
#include "engine/local/person_cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct gr_person person_of(uint32_t uid, const char *name)
{
    struct gr_person person = {.uid = uid, .gid = 7, .group_count = 2, .groups = {7, 8}};
    (void)snprintf(person.name, sizeof person.name, "%s", name);
    (void)snprintf(person.home, sizeof person.home, "/homes/%s", name);
    (void)snprintf(person.shell, sizeof person.shell, "/bin/sh");
    return person;
}

static void root_is_found_and_nobody_knows_a_strange_number(void **state)
{
    (void)state;
    struct gr_person person;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_person_find(0, 0, &person, &err), 0);
    assert_string_equal(person.name, "root");
    assert_string_not_equal(person.home, "");
    assert_int_equal(person.groups[0], 0);
    assert_int_equal(gr_person_find(1234567891, 99, &person, &err), 0);
    assert_string_equal(person.name, "");
    assert_string_equal(person.home, "/");
    assert_int_equal(person.group_count, 1);
    assert_int_equal(person.groups[0], 99);
}

static void who_is_not_root_becomes_nobody_else(void **state)
{
    (void)state;
    struct gr_err err;
    gr_err_init(&err);
    if (geteuid() != 0) {
        struct gr_person other = person_of(geteuid() + 1, "other");
        assert_int_equal(gr_person_become(&other, &err), -EPERM);
    }
    struct gr_person self = person_of(geteuid(), "self");
    if (geteuid() != 0) {
        assert_int_equal(gr_person_become(&self, &err), 0);
        assert_int_equal(gr_person_act(&self, &err), 0);
    }
}

static void a_person_arrives_as_it_was_sent(void **state)
{
    (void)state;
    uint8_t bytes[GR_PERSON_BYTES_MAX];
    struct gr_person person = person_of(5, "anna");
    static struct gr_person back;
    size_t size = gr_person_pack(&person, bytes);
    assert_true(size > 0);
    assert_int_equal(gr_person_unpack(bytes, size, &back), 0);
    assert_true(back.uid == 5 && back.gid == 7 && back.group_count == 2 && back.groups[1] == 8);
    assert_string_equal(back.name, "anna");
    assert_string_equal(back.home, "/homes/anna");
    assert_string_equal(back.shell, "/bin/sh");
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(gr_person_unpack(bytes, cut, &back), -EBADMSG);
    }
    bytes[8] = 255; // more groups than there are
    assert_int_equal(gr_person_unpack(bytes, size, &back), -EBADMSG);
    memset(person.home, 'h', sizeof person.home - 1);
    assert_int_equal(gr_person_pack(&person, bytes), 0);
}

static void persons_are_kept_for_a_while_and_the_oldest_gives_way(void **state)
{
    (void)state;
    static struct gr_person_cache cache;
    gr_person_cache_check(&cache);
    for (uint32_t i = 0; i < GR_PERSON_CACHE_MAX + 1; i++) {
        struct gr_person person = person_of(i, "x");
        gr_person_cache_add(&cache, &person, 1000);
        gr_person_cache_add(&cache, &person, 1000); // twice is once
    }
    assert_null(gr_person_cache_find(&cache, 0, 7, 1000));
    assert_non_null(gr_person_cache_find(&cache, 1, 7, 1000));
    assert_null(gr_person_cache_find(&cache, 1, 8, 1000));
    assert_int_equal(gr_person_cache_find(&cache, GR_PERSON_CACHE_MAX, 7, 1000)->uid,
                     GR_PERSON_CACHE_MAX);
    assert_non_null(gr_person_cache_find(&cache, 1, 7, 1000 + GR_PERSON_CACHE_MS - 1));
    assert_null(gr_person_cache_find(&cache, 1, 7, 1000 + GR_PERSON_CACHE_MS));
    gr_person_cache_check(&cache); // nothing changed
    assert_non_null(gr_person_cache_find(&cache, 1, 7, 1000));
    cache.changed[0].tv_sec--;
    gr_person_cache_check(&cache);
    assert_null(gr_person_cache_find(&cache, 1, 7, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_found_and_nobody_knows_a_strange_number),
        cmocka_unit_test(who_is_not_root_becomes_nobody_else),
        cmocka_unit_test(a_person_arrives_as_it_was_sent),
        cmocka_unit_test(persons_are_kept_for_a_while_and_the_oldest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
