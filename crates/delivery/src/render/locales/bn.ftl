# Bengali

code-subject = { $code } আপনার { $app } কোড
code-subject-unnamed = { $code } আপনার কোড
code-heading = আপনার { $app } কোড
code-heading-unnamed = আপনার কোড
code-text = আপনার { $app } কোড: { $code }
code-text-unnamed = আপনার কোড: { $code }
code-expiry = এটি একবারই ব্যবহার করা যায় এবং { $lifetime } পর্যন্ত কার্যকর।
code-link = অথবা লগ ইন করতে এই লিংকটি খুলুন:
code-button = লগ ইন করুন
code-warning = এই কোডটি কাউকে জানাবেন না। আপনি এটি না চেয়ে থাকলে এই বার্তাটি উপেক্ষা করতে পারেন।

login-subject = { $app }-এ লগ ইন করুন
login-subject-unnamed = লগ ইন করুন
login-link = লগ ইন করতে এই লিংকটি সেই ডিভাইসে খুলুন, যেখানে আপনি এটি চেয়েছিলেন:
login-copy = লগ ইন করতে এই লেখাটি সেখানে কপি করুন, যেখানে আপনি এটি চেয়েছিলেন:
login-button = লগ ইন করুন
login-warning = এই বার্তাটি কাউকে দেবেন না। আপনি এটি না চেয়ে থাকলে উপেক্ষা করতে পারেন।

recovery-subject = আপনার { $app } অ্যাকাউন্ট পুনরুদ্ধার করুন
recovery-subject-unnamed = আপনার অ্যাকাউন্ট পুনরুদ্ধার করুন
recovery-link = অ্যাকাউন্ট পুনরুদ্ধার করতে এই লিংকটি সেই ডিভাইসে খুলুন, যেখানে আপনি এটি চেয়েছিলেন:
recovery-copy = অ্যাকাউন্ট পুনরুদ্ধার করতে এই লেখাটি সেখানে কপি করুন, যেখানে আপনি এটি চেয়েছিলেন:
recovery-button = অ্যাকাউন্ট পুনরুদ্ধার করুন
recovery-warning = এই বার্তাটি কাউকে দেবেন না। আপনি এটি না চেয়ে থাকলে হয়তো অন্য কেউ আপনার অ্যাকাউন্টে ঢোকার চেষ্টা করছে; আপনি এই বার্তাটি উপেক্ষা করতে পারেন।

bundle-expiry = এটি { $lifetime } পর্যন্ত কার্যকর।

sms = { $app }: আপনার কোড { $code }
sms-unnamed = আপনার কোড { $code }
sms-full = { sms }। মেয়াদ { $lifetime }।
sms-full-unnamed = { sms-unnamed }। মেয়াদ { $lifetime }।

minutes = { $number } মিনিট
hours = { $number } ঘণ্টা
days = { $number } দিন
