/** A file's bytes, small enough to be sent to the kernel. */

const LARGEST = 4_000_000; // bytes; Jupyter's servers end the connection at 10 MB
const LONGEST = 2048; // pixels of a picture that had to be made smaller

/**
 * The bytes of a picture as they are, or where they are too many those of a smaller copy. What no
 * browser can read is sent as it is when it is small: Python reads more formats, or says why not.
 */
export async function bounded(file: Blob): Promise<ArrayBuffer> {
  if (file.size <= LARGEST) return file.arrayBuffer();
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const smaller = await new Promise<Blob | null>((resolve) =>
    canvas.toBlob(resolve, "image/jpeg", 0.92),
  );
  if (!smaller) throw new Error("the picture could not be made smaller");
  return smaller.arrayBuffer();
}
