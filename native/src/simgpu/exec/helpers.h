// Functions that compiled kernels call; object.h's find_helper knows them by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simgpu/exec/kernel_abi.h"

namespace simgpu::exec {

// Host memory behind a generic device address, nullptr if the thread may not touch it.
void* locate(ThreadContext* thread, uint64_t address, size_t bytes, bool write);

}  // namespace simgpu::exec

extern "C" {
using simgpu::exec::ThreadContext;

void* simgpu_resolve(ThreadContext*, uint64_t address, uint32_t info);
void* simgpu_resolve_span(ThreadContext*, uint64_t address, uint64_t bytes, uint32_t misaligned, uint32_t write);
void* simgpu_resolve_shared(ThreadContext*, uint64_t offset, uint32_t shift);
void* simgpu_resolve_local(ThreadContext*, uint64_t address, uint32_t shift);
bool simgpu_is_space(ThreadContext*, uint64_t address, uint32_t space);
void simgpu_trap(ThreadContext*, uint32_t breakpoint);
void simgpu_exit(ThreadContext*);
void simgpu_overflow(ThreadContext*);
void simgpu_bad_call(ThreadContext*, uint64_t target);
void simgpu_yield(ThreadContext*);
void simgpu_bar(ThreadContext*, uint32_t number, uint32_t count, uint32_t arrive);
uint32_t simgpu_bar_red(ThreadContext*, uint32_t number, uint32_t count, uint32_t operation, uint32_t predicate);
void simgpu_warp_sync(ThreadContext*, uint32_t mask);
uint64_t simgpu_shfl(ThreadContext*, uint32_t mode, uint32_t value, uint32_t lane, uint32_t clamp, uint32_t mask);
uint32_t simgpu_vote(ThreadContext*, uint32_t mode, uint32_t predicate, uint32_t mask);
uint64_t simgpu_match(ThreadContext*, uint32_t mode, uint64_t value, uint32_t mask);
uint32_t simgpu_redux(ThreadContext*, uint32_t code, uint32_t value, uint32_t mask);
uint32_t simgpu_activemask(ThreadContext*, uint32_t site);
uint64_t simgpu_elect(ThreadContext*, uint32_t mask);
uint64_t simgpu_time();
uint32_t simgpu_vprintf(ThreadContext*, uint64_t format, uint64_t arguments);
uint64_t simgpu_malloc(ThreadContext*, uint64_t bytes);
void simgpu_free(ThreadContext*, uint64_t address);
void simgpu_set_condition(ThreadContext*, uint64_t handle, uint32_t value);
void simgpu_texture(ThreadContext*, uint64_t handle, uint32_t info, const uint32_t* coordinates, uint32_t* result);
void simgpu_surface_load(ThreadContext*, uint64_t handle, uint32_t info, const uint32_t* coordinates, uint8_t* to);
void simgpu_surface_store(ThreadContext*, uint64_t handle, uint32_t info, const uint32_t* coordinates, const uint8_t* from);
uint32_t simgpu_texture_query(ThreadContext*, uint64_t handle, uint32_t what, uint32_t surface);
void simgpu_assert(ThreadContext*, uint64_t message, uint64_t file, uint32_t line, uint64_t function, uint64_t char_size);
uint32_t simgpu_lane(ThreadContext*);
void simgpu_gather(ThreadContext*, uint64_t value, uint64_t* all);
void simgpu_matrix(ThreadContext*, uint8_t* fragments);
void simgpu_fragment(ThreadContext*, uint64_t address, uint32_t stride, uint32_t shape, uint8_t* registers, uint32_t store);
void simgpu_matrix_rows(ThreadContext*, const uint64_t* rows, uint8_t* registers, uint32_t mode);
uint32_t simgpu_transposed(ThreadContext*, const uint64_t* values);
uint64_t simgpu_cluster_address(ThreadContext*, uint64_t window);
uint64_t simgpu_cluster_window(ThreadContext*, uint64_t address);
uint64_t simgpu_map_rank(ThreadContext*, uint64_t address, uint32_t rank);
uint32_t simgpu_cluster_rank(ThreadContext*, uint64_t address);
void simgpu_cluster_arrive(ThreadContext*);
void simgpu_cluster_wait(ThreadContext*);
void simgpu_mbarrier_init(ThreadContext*, uint64_t* place, uint32_t count);
void simgpu_mbarrier_inval(ThreadContext*, uint64_t* place, uint32_t unused);
void simgpu_mbarrier_expect(ThreadContext*, uint64_t* place, uint32_t bytes);
void simgpu_mbarrier_complete(ThreadContext*, uint64_t* place, uint32_t bytes);
uint64_t simgpu_mbarrier_arrive(ThreadContext*, uint64_t* place, uint32_t count, uint32_t bytes, uint32_t drop);
uint32_t simgpu_mbarrier_test(ThreadContext*, const uint64_t* place, uint32_t parity, uint32_t patient);
void simgpu_copy_bulk(ThreadContext*, uint64_t to, uint64_t from, uint32_t bytes);
uint32_t simgpu_fns(uint32_t mask, uint32_t base, int32_t n);
}
