/** Bar of a share in [0, 1]; striped over its whole length when the share is undefined. */
export function LossBar({ share }: { share: number | undefined }) {
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" class="loss-bar" aria-hidden="true">
      <rect class={share === undefined ? 'none' : 'value'} width={100 * (share ?? 1)} height="8" rx="2" />
    </svg>
  );
}
