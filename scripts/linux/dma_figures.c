// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Times Linux's DMA mapping calls on QEMU's `edu` device and writes one line a figure to the kernel log:
 *
 *   dma_figures: NAME MEDIAN ROUNDS
 *
 * Names are those of `bench` where both measure the same. The unit is ticks of the time stamp counter for each
 * mapping; under QEMU's instruction counting a tick is an instruction, which the figure `ticks_per_1000` proves.
 * Nothing is transferred: the device is only the one in whose name memory is mapped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <asm/msr.h>

#define WARM_UP 300
#define ROUNDS 1000
#define BATCH 32
#define LIVE 100000
#define DIRECTION DMA_FROM_DEVICE

/* What one round took: both halves, for all mappings of the round together. */
struct round {
	u64 map, unmap;
};

/*
 * A way to map and unmap `count` buffers once; false if Linux refused one. Its other mappings stay then: there will be
 * no figures, and the machine is switched off next.
 */
struct work {
	const char *name;
	size_t bytes;
	unsigned int count;
	bool (*once)(struct device *dev, const struct work *work, void *memory, struct round *round);
};

/* Buffers of a round lie a buffer apart, so that no two of them merge into one range. */
static void *buffer_of(const struct work *work, void *memory, unsigned int index)
{
	return memory + 2 * index * work->bytes;
}

static bool one_call_each(struct device *dev, const struct work *work, void *memory, struct round *round)
{
	dma_addr_t at[BATCH];
	unsigned int i, refused = 0;
	u64 start, end;

	start = rdtsc_ordered();
	for (i = 0; i < work->count; i++)
		at[i] = dma_map_single(dev, buffer_of(work, memory, i), work->bytes, DIRECTION);
	end = rdtsc_ordered();
	round->map = end - start;

	for (i = 0; i < work->count; i++)
		refused += dma_mapping_error(dev, at[i]) != 0;
	if (refused)
		return false;

	start = rdtsc_ordered();
	for (i = 0; i < work->count; i++)
		dma_unmap_single(dev, at[i], work->bytes, DIRECTION);
	end = rdtsc_ordered();
	round->unmap = end - start;
	return true;
}

static bool one_call_for_all(struct device *dev, const struct work *work, void *memory, struct round *round)
{
	struct scatterlist list[BATCH];
	unsigned int i, mapped;
	u64 start, end;

	sg_init_table(list, work->count);
	for (i = 0; i < work->count; i++)
		sg_set_buf(&list[i], buffer_of(work, memory, i), work->bytes);

	start = rdtsc_ordered();
	mapped = dma_map_sg(dev, list, work->count, DIRECTION);
	end = rdtsc_ordered();
	round->map = end - start;
	if (!mapped)
		return false;

	start = rdtsc_ordered();
	dma_unmap_sg(dev, list, work->count, DIRECTION);
	end = rdtsc_ordered();
	round->unmap = end - start;
	return true;
}

/* What reading the clock twice takes: part of every figure. */
static bool nothing(struct device *dev, const struct work *work, void *memory, struct round *round)
{
	u64 start = rdtsc_ordered();
	u64 end = rdtsc_ordered();

	round->map = round->unmap = end - start;
	return true;
}

static int by_value(const void *left, const void *right)
{
	u64 a = *(const u64 *)left, b = *(const u64 *)right;

	return a < b ? -1 : a > b;
}

static u64 median_each(u64 *values, unsigned int count)
{
	sort(values, ROUNDS, sizeof(*values), by_value, NULL);
	return DIV_ROUND_CLOSEST(values[ROUNDS / 2], count);
}

static void tell(const struct work *work, u64 *maps, u64 *unmaps)
{
	pr_info("map_%s %llu %u\n", work->name, median_each(maps, work->count), ROUNDS);
	pr_info("unmap_%s %llu %u\n", work->name, median_each(unmaps, work->count), ROUNDS);
}

static int measure(struct device *dev, const struct work *work)
{
	unsigned int order = get_order(2 * work->count * work->bytes);
	void *memory = (void *)__get_free_pages(GFP_KERNEL, order);
	u64 *maps = kcalloc(ROUNDS, sizeof(*maps), GFP_KERNEL);
	u64 *unmaps = kcalloc(ROUNDS, sizeof(*unmaps), GFP_KERNEL);
	int i, error = -ENOMEM;

	if (!memory || !maps || !unmaps)
		goto out;
	for (i = -WARM_UP; i < ROUNDS; i++) {
		struct round round;

		if (!work->once(dev, work, memory, &round))
			goto out;
		if (i >= 0) {
			maps[i] = round.map;
			unmaps[i] = round.unmap;
		}
	}
	error = 0;
	tell(work, maps, unmaps);
out:
	kfree(unmaps);
	kfree(maps);
	if (memory)
		free_pages((unsigned long)memory, order);
	return error;
}

/*
 * Makes LIVE mappings, all of one page: what differs are their addresses. Measures `among`, one mapping more and gone
 * again; and `all`, the LIVE ones from the first to the last, then their end in the same order, as means: few of them
 * pay for what many use.
 */
static int measure_many(struct device *dev, const char *all, const struct work *among)
{
	void *page = (void *)__get_free_page(GFP_KERNEL);
	dma_addr_t *at = kvcalloc(LIVE, sizeof(*at), GFP_KERNEL);
	u64 start, mapped, unmapped;
	unsigned int i, refused = 0;
	int error = -ENOMEM;

	if (!page || !at)
		goto out;
	start = rdtsc_ordered();
	for (i = 0; i < LIVE; i++)
		at[i] = dma_map_single(dev, page, PAGE_SIZE, DIRECTION);
	mapped = rdtsc_ordered() - start;

	for (i = 0; i < LIVE; i++)
		refused += dma_mapping_error(dev, at[i]) != 0;
	if (refused)
		return error;
	error = measure(dev, among);

	start = rdtsc_ordered();
	for (i = 0; i < LIVE; i++)
		dma_unmap_single(dev, at[i], PAGE_SIZE, DIRECTION);
	unmapped = rdtsc_ordered() - start;
	pr_info("map_%s %llu %u\n", all, mapped / LIVE, LIVE);
	pr_info("unmap_%s %llu %u\n", all, unmapped / LIVE, LIVE);
out:
	kvfree(at);
	free_page((unsigned long)page);
	return error;
}

/* How many ticks 1,000 instructions take, over 1,000,000 of them. */
static void calibrate(void)
{
	unsigned int left = 500000;
	u64 start = rdtsc_ordered();

	asm volatile("1: dec %0\n\tjnz 1b" : "+r" (left) : : "cc");
	pr_info("ticks_per_1000 %llu 1\n", DIV_ROUND_CLOSEST(rdtsc_ordered() - start, 1000));
}

static const struct work alone[] = {
	{ "nothing", PAGE_SIZE, 1, nothing },
	{ "4k", PAGE_SIZE, 1, one_call_each },
	{ "64k", 16 * PAGE_SIZE, 1, one_call_each },
	{ "2m", 512 * PAGE_SIZE, 1, one_call_each },
	{ "4k_batch32", PAGE_SIZE, BATCH, one_call_each },
	{ "4k_list32", PAGE_SIZE, BATCH, one_call_for_all },
};

static const struct work among_many = { "4k_100k_live", PAGE_SIZE, 1, one_call_each };

/* Whether each unmapping waits until the device can no longer reach the memory. */
static bool is_strict(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type == IOMMU_DOMAIN_DMA;
}

static int measure_all(struct pci_dev *pci, const struct pci_device_id *id)
{
	int i, error = dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(64));

	if (error)
		return error;
	if (!is_strict(&pci->dev)) {
		pr_err("the device has no address space with strict unmapping\n");
		return -EPERM;
	}
	calibrate();
	for (i = 0; i < ARRAY_SIZE(alone); i++) {
		error = measure(&pci->dev, &alone[i]);
		if (error)
			return error;
	}
	error = measure_many(&pci->dev, "4k_100k_all", &among_many);
	if (!error)
		pr_info("complete\n");
	return error;
}

static const struct pci_device_id devices[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, devices);

static struct pci_driver dma_figures = {
	.name = KBUILD_MODNAME,
	.id_table = devices,
	.probe = measure_all,
};
module_pci_driver(dma_figures);

MODULE_DESCRIPTION("Figures of Linux's DMA mapping calls");
MODULE_LICENSE("Dual MIT/GPL");
