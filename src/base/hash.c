// BLAKE2b-256: see hash.h. libsodium's generic hash cannot fail on memory in range; asserted.
#include "base/hash.h"

#include <assert.h>
#include <sodium.h>

static_assert(sizeof(crypto_generichash_state) <= sizeof(struct gr_hash), "room for the state");

// The library chooses its code for this processor when it is asked to: without that it hashes with
// portable code, at a third of the speed. Before main, for then there is one thread.
__attribute__((constructor)) static void choose_code(void)
{
    int rc = sodium_init();
    assert(rc >= 0);
    (void)rc;
}

static crypto_generichash_state *state_of(struct gr_hash *hash)
{
    return (crypto_generichash_state *)(void *)hash->state;
}

void gr_hash_init(struct gr_hash *hash)
{
    assert(hash != NULL);
    int rc = crypto_generichash_init(state_of(hash), NULL, 0, GR_HASH_SIZE);
    assert(rc == 0);
    (void)rc;
}

void gr_hash_add(struct gr_hash *hash, const void *bytes, size_t size)
{
    assert(hash != NULL);
    assert(bytes != NULL || size == 0);
    if (size > 0) {
        int rc = crypto_generichash_update(state_of(hash), bytes, size);
        assert(rc == 0);
        (void)rc;
    }
}

void gr_hash_end(struct gr_hash *hash, uint8_t ret_digest[GR_HASH_SIZE])
{
    assert(hash != NULL);
    int rc = crypto_generichash_final(state_of(hash), ret_digest, GR_HASH_SIZE);
    assert(rc == 0);
    (void)rc;
}

void gr_hash_text(const uint8_t digest[GR_HASH_SIZE], char ret_text[2 * GR_HASH_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < GR_HASH_SIZE; i++) {
        ret_text[2 * i] = digits[digest[i] >> 4];
        ret_text[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_text[2 * GR_HASH_SIZE] = '\0';
}
