// SPDX-License-Identifier: Apache-2.0
/** Hot SECONDS: keeps the CPU in a method that is compiled at run time. */
public class Hot {
    static long javaHot(long n) {
        long x = 1;
        for (long i = 0; i < n; i++) {
            x = (x * 1103515245L + 12345L + i) & 0x7fffffffL;
        }
        return x;
    }

    public static void main(String[] args) {
        long end = System.currentTimeMillis() + 1000 * Long.parseLong(args[0]);
        long sum = 0;
        System.out.println("running");
        while (System.currentTimeMillis() < end) {
            sum += javaHot(2000000);
        }
        System.out.println(sum);
    }
}
